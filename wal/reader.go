package wal

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/vfs"
)

// Outcome says how a log ended.
type Outcome struct {
	// Identity is that of the Writer; zero if not even the header is left.
	Identity Identity

	// Size is the position behind the last record that was read, and behind the
	// mark that may follow it.
	Size int64

	// Clean is set if the log was closed clean.
	Clean bool

	// Torn is set if there is more in the file, of which a crash took a part.
	Torn bool
}

// CleanBytes returns the length of a file that was closed clean, which Writer.Size has
// returned then; 0 if it was not.
func (o *Outcome) CleanBytes() int64 {
	if !o.Clean {
		return 0
	}
	return o.Size + frameBytes
}

// Read calls a function with each record of a log, in order, and the position
// behind it, which Append returned. The record is valid until the function
// returns.
//
// Damage is ErrCorrupt if it is below what is known to have been synced, or if
// more of the file follows it than a Writer leaves unsynced, and else the end of
// the log; the records before it were read already then. An unknown version is
// ErrVersion. What the function returns ends the reading and is returned as it
// is, as are errors of the file system: they never count as the end. The end of
// the context ends the reading with its cause, after at most 1 MiB more. Read
// takes the memory of the largest record, a few times over, and 1 MiB.
func Read(ctx context.Context, fsys vfs.FS, name string, do func(record []byte, end int64) error) (Outcome, error) {
	return readLog(ctx, fsys, name, maxTailBytes, do)
}

// readLog is Read for a writer that leaves at most so many bytes unsynced.
func readLog(ctx context.Context, fsys vfs.FS, name string, maxTailBytes int64, do func(record []byte, end int64) error) (Outcome, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return Outcome{}, err
	}
	defer file.Close() // was only read
	size, err := file.Size()
	if err != nil {
		return Outcome{}, err
	}
	r := reader{source: source{ctx: ctx, file: file, sizeBytes: size}, maxTailBytes: maxTailBytes, do: do}
	err = r.read()
	if err == nil {
		r.outcome.Torn = !r.outcome.Clean && r.outcome.Size < size
	}
	return r.outcome, err
}

// reader reads a log from front to end.
type reader struct {
	source
	maxTailBytes int64 // after damage, if a crash has made it
	do           func(record []byte, end int64) error
	outcome      Outcome

	// A record that goes on in the next frame.
	begun   []byte
	missing int // bytes that begun lacks; 0 between records
}

func corrupt(at int64, what string) error {
	return fmt.Errorf("%s at %d: %w", what, at, ErrCorrupt)
}

func (r *reader) read() error {
	b, err := r.bytes(0, headerBytes)
	if err != nil {
		return err
	}
	id, ok, err := parseHeader(b)
	if !ok {
		return r.damaged(0, nil)
	}
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	r.outcome.Identity, r.outcome.Size = id, headerBytes
	for at := int64(headerBytes); at < r.sizeBytes && !r.outcome.Clean; {
		f, payload, err := r.frame(at)
		if err != nil {
			return err
		}
		switch {
		case f.kind == kindData:
			at += frameBytes
			err = r.records(payload, at)
			at += int64(f.length)
		case f.kind == kindMark:
			err = r.mark(at)
			at += frameBytes
		case f.kind == kindEnd:
			err = r.end(at)
		default:
			return r.damaged(at, tag(&id))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// frame returns the frame at a position; one without a kind if there is none,
// or it is not as it was written.
func (r *reader) frame(at int64) (frame, []byte, error) {
	b, err := r.bytes(at, frameBytes)
	if err != nil || len(b) < frameBytes || !bytes.Equal(b[:tagBytes], tag(&r.outcome.Identity)) {
		return frame{}, nil, err
	}
	f, ok := parseFrame(b, at)
	if !ok || int64(f.length) > r.sizeBytes-at-frameBytes {
		return frame{}, nil, nil
	}
	payload, err := r.bytes(at+frameBytes, f.length)
	if err != nil || f.checksum != xxhash.Sum64(payload) {
		return frame{}, nil, err
	}
	return f, payload, nil
}

// damaged says what to make of damage at a position.
func (r *reader) damaged(at int64, tag []byte) error {
	if tail := r.sizeBytes - at; tail > r.maxTailBytes {
		return corrupt(at, fmt.Sprintf("damage with %d bytes from there to the end, a crash leaves at most %d,", tail, r.maxTailBytes))
	}
	synced, err := r.scan(at, tag)
	if err != nil {
		return err
	}
	if !synced && tag != nil && r.sizeBytes-at == frameBytes {
		last, err := r.bytes(at, frameBytes)
		if err != nil {
			return err
		}
		synced = isAlteredEnd(last, tag, at)
	}
	if synced {
		return corrupt(at, "damage below what was synced")
	}
	return nil
}

// end is reached at the end frame.
func (r *reader) end(at int64) error {
	if r.missing > 0 || r.sizeBytes-at != frameBytes {
		return corrupt(at, "the log is marked as ended, and more follows")
	}
	r.outcome.Clean = true
	return nil
}

// mark is reached at a mark: it has served, since all before it was read.
func (r *reader) mark(at int64) error {
	if r.missing > 0 {
		return corrupt(at, "mark in the middle")
	}
	r.outcome.Size = at + frameBytes
	return nil
}

// records takes the payload of a frame, which is at a position, as the next
// piece of the sequence of records.
func (r *reader) records(payload []byte, at int64) error {
	end := at + int64(len(payload))
	for len(payload) > 0 {
		if r.missing == 0 {
			size, n := binary.Uvarint(payload)
			if n <= 0 || size > maxRecordBytes || n > 1 && payload[n-1] == 0 {
				return corrupt(end-int64(len(payload)), "impossible size of a record")
			}
			payload = payload[n:]
			if int(size) > len(payload) {
				r.missing = int(size) - len(payload)
				r.begun = append(r.begun[:0], payload...)
				return nil
			}
			if err := r.record(payload[:size], end-int64(len(payload))+int64(size)); err != nil {
				return err
			}
			payload = payload[size:]
			continue
		}
		n := min(r.missing, len(payload))
		r.begun = append(r.begun, payload[:n]...) // grows with what is there
		r.missing -= n
		payload = payload[n:]
		if r.missing == 0 {
			if err := r.record(r.begun, end-int64(len(payload))); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reader) record(record []byte, end int64) error {
	if err := r.do(record, end); err != nil {
		return err
	}
	r.outcome.Size = end
	return nil
}
