package snapshot

import "sync"

// meter adds up what several goroutines write.
//
// Thread safety: safe for concurrent use.
type meter struct {
	report   func(Progress)
	mu       sync.Mutex
	progress Progress
}

func (m *meter) add(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.progress.Bytes += bytes
	m.report(m.progress)
}

// end reports that all is written.
func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.progress.Groups = m.progress.OfGroups
	m.report(m.progress)
}
