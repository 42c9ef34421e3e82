package memtable

import (
	"encoding/binary"

	"github.com/weirstate/weir/run"
)

// A node is the state of a prefix that has keys with suffixes, or a tombstone. Like a record, it
// never moves.
//
//	prefix length (20 bits), tombstone (1 bit), in 8 B | root of the tree (8 B) | change counter (8 B) | prefix
const (
	nodeRoot     = 8
	nodeChanges  = 16
	nodeKey      = 24
	tombstoneBit = 1 << 63
)

// findNode returns the node of k's prefix, or 0.
func (t *hashTable) findNode(k *run.LookupKey) ref {
	if t.lastNode != 0 && t.lastPrefixHash == k.PrefixHash && t.prefixes.hasKey(t.lastNode, k.Prefix()) {
		return t.lastNode
	}
	n := t.prefixes.find(k.PrefixHash, k.Prefix())
	if n != 0 && !t.sealed {
		t.lastNode, t.lastPrefixHash = n, k.PrefixHash
	}
	return n
}

// findOrAddNode returns the node of k's prefix, and creates it if needed.
func (t *hashTable) findOrAddNode(k *run.LookupKey) ref {
	n := t.findNode(k)
	if n == 0 {
		n = t.alloc(nodeKey + k.PrefixLen)
		b := t.at(n)
		clear(b[:nodeKey])
		binary.LittleEndian.PutUint64(b, uint64(k.PrefixLen))
		copy(b[nodeKey:], k.Prefix())
		t.prefixes.insert(k.PrefixHash, n)
		t.lastNode, t.lastPrefixHash = n, k.PrefixHash
	}
	return n
}

func (a *arena) hasTombstone(node ref) bool { return a.load(node)&tombstoneBit != 0 }

func (a *arena) root(node ref) ref { return ref(a.load(node + nodeRoot)) }

func (a *arena) setRoot(node, root ref) { a.store(node+nodeRoot, uint64(root)) }

// changes returns the change counter of a node. While it stays the same, so do the blocks of the
// node's tree and the positions of entries in leaves that were sorted.
func (a *arena) changes(node ref) uint64 { return a.load(node + nodeChanges) }

func (a *arena) countChange(node ref) { a.store(node+nodeChanges, a.changes(node)+1) }

// nodePrefix returns the prefix of a node.
func (a *arena) nodePrefix(node ref) []byte {
	b := a.at(node)
	n := header(binary.LittleEndian.Uint64(b)).keyBytes()
	return b[nodeKey : nodeKey+n : nodeKey+n]
}
