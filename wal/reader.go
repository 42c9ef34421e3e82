package wal

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/vfs"
)

// Outcome describes the end of a log.
type Outcome struct {
	// Identity is the identity of the Writer; zero if the header of the file is damaged.
	Identity Identity

	// Size is the position after the last complete record or mark.
	Size int64

	// Clean is set if the log was closed cleanly.
	Clean bool

	// Torn is set if the file has more bytes, which a crash left incomplete.
	Torn bool
}

// CleanBytes returns the size of a file that was closed cleanly, as Writer.Size returned it
// after Close; 0 for other files.
func (o *Outcome) CleanBytes() int64 {
	if !o.Clean {
		return 0
	}
	return o.Size + frameBytes
}

// Read calls do with each record of a log, in order, and with the position after the record, as
// Append returned it. The record is valid until do returns.
//
// Recovery rules. At the first damage, at position p:
//
//   - If a frame after p says that more than p was synced, the file is ErrCorrupt.
//   - If more bytes follow p than a Writer leaves unsynced (1 GiB), the file is ErrCorrupt.
//   - Otherwise p is where a crash ended the log: Read returns nil, and Outcome.Torn is set.
//
// In all cases do has received the records before p. Damage to an end frame is ErrCorrupt,
// unless a crash could have caused it. The header of the file has the identity that marks the
// frames of this log; if the header is damaged, a frame of any log counts as proof of
// corruption.
//
// Read stops at an error of do or of the file system, and returns it unchanged: an error is
// never taken for the end of the log. An unsupported version is ErrVersion. If ctx ends, Read
// reads at most 1 MiB more and returns the cause.
//
// Cost: one pass over the file. After damage, a second pass searches the rest of the file for
// the tags of frames; it skips holes of sparse files. Memory: a few times the largest record,
// and 1 MiB.
func Read(ctx context.Context, fsys vfs.FS, name string, do func(record []byte, end int64) error) (Outcome, error) {
	return readLog(ctx, fsys, name, maxTailBytes, do)
}

// readLog is Read for a writer that leaves at most maxTailBytes unsynced.
func readLog(ctx context.Context, fsys vfs.FS, name string, maxTailBytes int64, do func(record []byte, end int64) error) (Outcome, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return Outcome{}, err
	}
	defer file.Close() // read-only: the error does not matter
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

// reader reads a log from the beginning to its end.
//
// Invariant: outcome.Size is the position after the last complete record or mark.
type reader struct {
	source
	maxTailBytes int64 // maximum distance from damage to the end of the file that a crash can cause
	do           func(record []byte, end int64) error
	outcome      Outcome

	// The beginning of a record that continues in the next frame.
	begun   []byte
	missing int // number of bytes that begun lacks; 0 between records
}

// corrupt returns ErrCorrupt with a description of the damage at a position.
func corrupt(at int64, what string) error {
	return fmt.Errorf("%s at %d: %w", what, at, ErrCorrupt)
}

// read reads header and frames until the end of the log.
func (r *reader) read() error {
	b, err := r.bytes(0, headerBytes)
	if err != nil {
		return err
	}
	id, ok, err := parseHeader(b)
	if !ok {
		return r.judgeDamage(0, nil)
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
			return r.judgeDamage(at, tag(&id))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// frame returns the frame at a position. Its kind is 0 if there is no valid frame.
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

// judgeDamage decides whether damage at a position is corruption; it returns nil if a crash can
// have caused it.
func (r *reader) judgeDamage(at int64, tag []byte) error {
	if tail := r.sizeBytes - at; tail > r.maxTailBytes {
		return corrupt(at, fmt.Sprintf("damage, %d bytes before the end of the file (a crash damages at most the last %d),", tail, r.maxTailBytes))
	}
	synced, err := r.findProof(at, tag)
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
		return corrupt(at, "damage to synced data")
	}
	return nil
}

// end handles the end frame at a position.
func (r *reader) end(at int64) error {
	if r.missing > 0 || r.sizeBytes-at != frameBytes {
		return corrupt(at, "bytes after the end frame, or an incomplete record before it,")
	}
	r.outcome.Clean = true
	return nil
}

// mark handles a mark at a position. Everything before it has been read, so it has served its
// purpose.
func (r *reader) mark(at int64) error {
	if r.missing > 0 {
		return corrupt(at, "mark inside a record")
	}
	r.outcome.Size = at + frameBytes
	return nil
}

// records extracts the records from the payload of a frame at a position; a record may
// continue over several frames.
func (r *reader) records(payload []byte, at int64) error {
	end := at + int64(len(payload))
	for len(payload) > 0 {
		if r.missing == 0 {
			size, n := binary.Uvarint(payload)
			if n <= 0 || size > maxRecordBytes || n > 1 && payload[n-1] == 0 {
				return corrupt(end-int64(len(payload)), "invalid size of a record")
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
		r.begun = append(r.begun, payload[:n]...) // memory grows with the bytes that exist, not with the claimed size
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

// record passes a complete record to do.
func (r *reader) record(record []byte, end int64) error {
	if err := r.do(record, end); err != nil {
		return err
	}
	r.outcome.Size = end
	return nil
}
