package snapshot

import "sync"

// meter adds up the bytes that several goroutines write and reports the progress.
//
// Thread safety: safe for concurrent use.
type meter struct {
	report   func(Progress)
	mu       sync.Mutex
	progress Progress
}

// add adds written bytes.
func (m *meter) add(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.progress.Bytes += bytes
	m.report(m.progress)
}

// end reports that all key groups are written.
func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.progress.Groups = m.progress.OfGroups
	m.report(m.progress)
}
