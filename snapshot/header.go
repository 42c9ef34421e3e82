package snapshot

import (
	"encoding/binary"
	"fmt"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// appendHeader encodes the header block: the keyspace of the backend and the name table. The
// format allows several schemas per state, which stored values refer to by number; states have
// one schema as long as schemas do not evolve.
func appendHeader(dst []byte, space backend.Keyspace, states []backend.Info) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(space.MaxParallelism))
	dst = binary.BigEndian.AppendUint16(dst, space.Groups.First)
	dst = binary.BigEndian.AppendUint16(dst, space.Groups.Last)
	dst = binary.AppendUvarint(dst, uint64(len(states)))
	for _, info := range states {
		dst = appendString(dst, info.Name)
		dst = append(dst, byte(info.Kind))
		dst = appendID(dst, info.Key)
		dst = binary.AppendUvarint(dst, 1) // schemas
		dst = binary.AppendUvarint(dst, uint64(len(info.Codecs)))
		for _, id := range info.Codecs {
			dst = appendID(dst, id)
		}
	}
	return dst
}

func appendID(dst []byte, id codec.ID) []byte {
	dst = appendString(dst, id.Name)
	dst = binary.AppendUvarint(dst, uint64(id.Version))
	return appendString(dst, id.Schema)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// parseHeader reads a header block. It compares each count with the number of bytes that are
// left before it allocates memory for the items.
func parseHeader(b []byte) (space backend.Keyspace, states []backend.Info, err error) {
	p := parser{rest: b}
	space.MaxParallelism = int(p.uint32())
	space.Groups = backend.GroupRange{First: p.uint16(), Last: p.uint16()}
	n := p.count(maxStates)
	for states = make([]backend.Info, 0, n); n > 0 && p.err == nil; n-- {
		info := backend.Info{Name: p.string(), Kind: backend.Kind(p.byte()), Key: p.id()}
		if schemas := p.uvarint(); schemas != 1 && p.err == nil {
			return space, nil, fmt.Errorf("a state has %d schemas, this program reads 1: %w", schemas, ErrVersion)
		}
		for codecs := p.count(maxCodecs); codecs > 0 && p.err == nil; codecs-- {
			info.Codecs = append(info.Codecs, p.id())
		}
		states = append(states, info)
	}
	if err := p.end(); err != nil {
		return space, nil, err
	}
	return space, states, checkHeader(space, states)
}

// checkHeader returns ErrCorrupt unless a registry can have the keyspace and the states.
func checkHeader(space backend.Keyspace, states []backend.Info) error {
	if err := space.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	for i, info := range states {
		if err := info.Validate(); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		if i > 0 && states[i-1].ID() >= info.ID() {
			return fmt.Errorf("state %q is not in the order of ids: %w", info.Name, ErrCorrupt)
		}
	}
	return nil
}

// parser reads numbers and strings from the front of a slice. After the first error all reads
// return zero.
type parser struct {
	rest []byte
	err  error
}

func (p *parser) fail() {
	if p.err == nil {
		p.err = fmt.Errorf("a field exceeds its block or its limit: %w", ErrCorrupt)
	}
	p.rest = nil
}

func (p *parser) bytes(n uint64) []byte {
	if n > uint64(len(p.rest)) {
		p.fail()
		return nil
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b
}

func (p *parser) byte() byte {
	if b := p.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (p *parser) uint16() uint16 {
	if b := p.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (p *parser) uint32() uint32 {
	if b := p.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (p *parser) uint64() uint64 {
	if b := p.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (p *parser) uvarint() uint64 {
	v, n := binary.Uvarint(p.rest)
	if n <= 0 {
		p.fail()
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

// count reads a number of items. It fails if the number exceeds limit or the number of bytes that
// are left, since an item takes at least one byte.
func (p *parser) count(limit uint64) uint64 {
	n := p.uvarint()
	if n > min(limit, uint64(len(p.rest))) {
		p.fail()
		return 0
	}
	return n
}

func (p *parser) string() string { return string(p.bytes(p.uvarint())) }

func (p *parser) id() codec.ID {
	id := codec.ID{Name: p.string()}
	version := p.uvarint()
	if version > 1<<32-1 {
		p.fail()
	}
	id.Version = uint32(version)
	id.Schema = p.string()
	return id
}

// end returns the first error, or an error if bytes are left.
func (p *parser) end() error {
	if p.err == nil && len(p.rest) > 0 {
		return fmt.Errorf("block has %d bytes after its last field: %w", len(p.rest), ErrCorrupt)
	}
	return p.err
}
