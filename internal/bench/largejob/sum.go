package largejob

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/weirstate/weir/job"
)

// sum is the sink. It counts the records that it gets and adds up their hashes. It implements
// job.Sink.
type sum struct {
	path       string
	count, sum uint64
}

// openSum returns a sink with the count and sum of a checkpoint, or with zeros if restored is
// nil.
func openSum(path string, restored []byte) (*sum, error) {
	s := &sum{path: path}
	switch {
	case restored == nil:
	case len(restored) != 16:
		return nil, fmt.Errorf("sink state has %d bytes, want 16: %w", len(restored), ErrState)
	default:
		s.count, s.sum = binary.BigEndian.Uint64(restored), binary.BigEndian.Uint64(restored[8:])
	}
	return s, nil
}

// Write implements job.Sink.
func (s *sum) Write(e job.Event[update]) error {
	s.count++
	s.sum += mix(uint64(e.Value.key)<<1 + uint64(e.Value.round))
	return nil
}

// Snapshot implements job.Sink.
func (s *sum) Snapshot() (data []byte, sync func() error, err error) {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, s.count), s.sum), nil, nil
}

// Close implements job.Sink.
func (s *sum) Close(finished bool) error {
	if !finished {
		return nil
	}
	return os.WriteFile(s.path, fmt.Appendf(nil, "sampled %d %016x\n", s.count, s.sum), 0o600)
}
