package memtable

import (
	"encoding/binary"

	"github.com/weirstate/weir/run"
)

// A node is what the table knows of a prefix of which it has keys with suffixes,
// or a tombstone. Like a record, it stays where it is.
//
//	prefix bytes (20 bits), tombstone (1 bit) in 8 B | root block (8 B) | changes (8 B) | prefix
const (
	nodeRoot     = 8
	nodeChanges  = 16
	nodeKey      = 24
	tombstoneBit = 1 << 63
)

// node returns the node of the prefix of a lookup key, 0 without one.
func (t *hashTable) node(p *run.LookupKey) ref {
	if t.lastNode != 0 && t.lastPrefixHash == p.PrefixHash && t.prefixes.holds(t.lastNode, p.Prefix()) {
		return t.lastNode
	}
	n := t.prefixes.find(p.PrefixHash, p.Prefix())
	if n != 0 && !t.sealed {
		t.lastNode, t.lastPrefixHash = n, p.PrefixHash
	}
	return n
}

// needNode returns the node of the prefix of a lookup key.
func (t *hashTable) needNode(p *run.LookupKey) ref {
	n := t.node(p)
	if n == 0 {
		n = t.alloc(nodeKey + p.PrefixLen)
		b := t.at(n)
		clear(b[:nodeKey])
		binary.LittleEndian.PutUint64(b, uint64(p.PrefixLen))
		copy(b[nodeKey:], p.Prefix())
		t.prefixes.insert(p.PrefixHash, n)
		t.lastNode, t.lastPrefixHash = n, p.PrefixHash
	}
	return n
}

func (m *memory) hasTombstone(node ref) bool { return m.load(node)&tombstoneBit != 0 }

func (m *memory) root(node ref) ref { return ref(m.load(node + nodeRoot)) }

func (m *memory) setRoot(node, root ref) { m.store(node+nodeRoot, uint64(root)) }

// changes tells whether a node's blocks are as they were.
func (m *memory) changes(node ref) uint64 { return m.load(node + nodeChanges) }

func (m *memory) changed(node ref) { m.store(node+nodeChanges, m.changes(node)+1) }

// prefixOf is that of a node.
func (m *memory) prefixOf(node ref) []byte {
	b := m.at(node)
	n := header(binary.LittleEndian.Uint64(b)).keyBytes()
	return b[nodeKey : nodeKey+n : nodeKey+n]
}
