package memtable

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// treeBlock is a block of a prefix tree: a B+tree that holds the keys of one prefix that have a
// suffix, in order. The node of the prefix has its root.
//
// Problem: prefixes are scanned while the table is written (a map state, a list, timers), but most
// keys are written and never scanned. Ordering each key on insert would slow every write down.
//
// Idea: leaves are sorted lazily. An insert goes down to the leaf and appends the entry at its
// end; a leaf is sorted when it is scanned or split. The sorted prefix of a leaf grows for free if
// keys arrive in ascending order. Blocks begin with 64 B and double up to 1 KiB, because most
// prefixes have few keys.
//
//	node of prefix "user7/"
//	   root --> inner   [ -  | c0 ] [ m | c1 ]          24 B for each entry: head, record, child
//	                          |          |
//	            leaf    [b][a][k]  [m][z][q][n]         16 B for each entry: head, record
//	                    sorted: 1  sorted: 2
//
//	block header: entries (2 B) | sorted (2 B) | class (1 B) | level (1 B) | -
//
// The head is the first eight bytes of a suffix as a big-endian number, with zeros after its end.
// A search compares heads, and reads the whole keys only if heads are equal.
//
// Keys are removed only with their prefix (DeletePrefix frees the tree); a Delete is an entry. So
// blocks never merge. A full leaf splits in the middle, or, if the new key is above all of its
// entries, stays full and gets an empty neighbour: keys in ascending order fill their leaves.
//
// Invariant: no block of a tree is empty.
// Invariant: the first `sorted` entries of a leaf are in order, and all entries of an inner block.
// Invariant: keys of child i are at or above the key of entry i, and below the key of entry i+1.
// The key of entry 0 is not read.
//
// Cost: O(log n) comparisons of heads for an insert; sorting a leaf of 63 entries once per scan
// after inserts.
type treeBlock []byte

const (
	blockHeader    = 8
	blockSorted    = 2
	blockClass     = 4
	blockLevel     = 5
	leafEntry      = 16
	innerEntry     = 24
	maxBlockClass  = 4 // 1 KiB: 63 leaf entries, 42 inner ones
	maxLeafEntries = (minBlockBytes<<maxBlockClass - blockHeader) / leafEntry
	// maxLevels is more than a tree can have: inner blocks have at least 21 children.
	maxLevels = 16
)

func (a *arena) treeBlockAt(r ref) treeBlock { return a.at(r) }

func (b treeBlock) entries() int     { return int(binary.LittleEndian.Uint16(b)) }
func (b treeBlock) sorted() int      { return int(binary.LittleEndian.Uint16(b[blockSorted:])) }
func (b treeBlock) level() int       { return int(b[blockLevel]) }
func (b treeBlock) setEntries(n int) { binary.LittleEndian.PutUint16(b, uint16(n)) }
func (b treeBlock) setSorted(n int)  { binary.LittleEndian.PutUint16(b[blockSorted:], uint16(n)) }

func (b treeBlock) entryBytes() int {
	if b.level() > 0 {
		return innerEntry
	}
	return leafEntry
}

func (b treeBlock) full() bool {
	return blockHeader+(b.entries()+1)*b.entryBytes() > minBlockBytes<<b[blockClass]
}

// entry returns the bytes of entry i.
func (b treeBlock) entry(i int) []byte {
	n := b.entryBytes()
	return b[blockHeader+i*n:][:n]
}

func (b treeBlock) head(i int) uint64 { return binary.LittleEndian.Uint64(b.entry(i)) }
func (b treeBlock) record(i int) ref  { return ref(binary.LittleEndian.Uint64(b.entry(i)[8:])) }
func (b treeBlock) child(i int) ref   { return ref(binary.LittleEndian.Uint64(b.entry(i)[16:])) }

// target is a key that is searched in the tree of its prefix.
type target struct {
	key       []byte // whole key
	head      uint64 // of the suffix
	exclusive bool   // search entries above the key, without the key
	prefixLen int    // length of the prefix, in bytes
}

func newTarget(key []byte, prefixLen int, exclusive bool) target {
	return target{key, head(key[prefixLen:]), exclusive, prefixLen}
}

// head returns the first eight bytes of b as a number, so that numbers compare like the bytes.
func head(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	x := uint64(0)
	for i, c := range b {
		x |= uint64(c) << (56 - 8*i)
	}
	return x
}

// below reports whether entry i of a block is below the target.
func (a *arena) below(b treeBlock, i int, t *target) bool {
	if h := b.head(i); h != t.head {
		return h < t.head
	}
	c := bytes.Compare(a.key(b.record(i))[t.prefixLen:], t.key[t.prefixLen:])
	return c < 0 || c == 0 && t.exclusive
}

// search returns the index of the first entry, at index from or above, that is not below the
// target. The block is sorted.
func (a *arena) search(b treeBlock, from int, t *target) int {
	to := b.entries()
	for from < to {
		if i := int(uint(from+to) / 2); a.below(b, i, t) {
			from = i + 1
		} else {
			to = i
		}
	}
	return from
}

// path is the way from the root of a tree to a leaf.
type path struct {
	blocks  [maxLevels]ref
	indexes [maxLevels]int // indexes[i] is the entry of blocks[i] that leads to blocks[i+1]
	last    int
}

// descend sets p to the path to the leaf where the target is or belongs.
func (a *arena) descend(root ref, t *target, p *path) {
	p.last, p.blocks[0] = 0, root
	for b := a.treeBlockAt(root); b.level() > 0; {
		i := a.search(b, 1, t) - 1
		root = b.child(i)
		b = a.treeBlockAt(root)
		p.indexes[p.last] = i
		p.last++
		p.blocks[p.last] = root
	}
}

// insertSuffix adds a record to the tree of a node. The tree does not have its key.
func (a *arena) insertSuffix(node, record ref, prefixLen int) {
	a.countChange(node)
	t := newTarget(a.key(record), prefixLen, true) // exclusive: the first key of a child belongs to the child
	if a.root(node) == 0 {
		a.setRoot(node, a.newTreeBlock(0, 0))
	}
	var p path
	a.descend(a.root(node), &t, &p)
	b := a.treeBlockAt(p.blocks[p.last])
	if b.full() {
		b = a.makeRoom(node, &p, &t, record)
	}
	n := b.entries()
	b.setEntries(n + 1)
	e := b.entry(n)
	binary.LittleEndian.PutUint64(e, t.head)
	binary.LittleEndian.PutUint64(e[8:], uint64(record))
	if b.sorted() == n && (n == 0 || a.below(b, n-1, &t)) {
		b.setSorted(n + 1)
	}
}

// newTreeBlock returns an empty tree block.
func (a *arena) newTreeBlock(class, level int) ref {
	r := a.allocBlock(class)
	b := a.treeBlockAt(r)
	clear(b[:blockHeader])
	b[blockClass], b[blockLevel] = byte(class), byte(level)
	return r
}

// makeRoom returns a leaf with space for the record that is about to be inserted, in place of
// the full leaf at the end of the path.
func (a *arena) makeRoom(node ref, p *path, t *target, record ref) treeBlock {
	b := a.treeBlockAt(p.blocks[p.last])
	if b[blockClass] < maxBlockClass {
		return a.grow(node, p, p.last)
	}
	a.sortLeaf(b)
	other := a.newTreeBlock(maxBlockClass, 0)
	o := a.treeBlockAt(other)
	if a.below(b, b.entries()-1, t) { // ascending keys leave full leaves
		a.addChild(node, p, p.last-1, t.head, record, other)
		return o
	}
	b.moveTail(o)
	a.addChild(node, p, p.last-1, o.head(0), o.record(0), other)
	if a.below(o, 0, t) {
		return o
	}
	return b
}

// moveTail moves the upper half of the entries to an empty block.
func (b treeBlock) moveTail(to treeBlock) {
	n := b.entries()
	half := n / 2
	size := b.entryBytes()
	copy(to[blockHeader:], b[blockHeader+half*size:blockHeader+n*size])
	to.setEntries(n - half)
	to.setSorted(n - half)
	b.setEntries(half)
	b.setSorted(half)
}

// grow replaces a block of the path by one of the next size class, and returns it.
func (a *arena) grow(node ref, p *path, level int) treeBlock {
	old := p.blocks[level]
	b := a.treeBlockAt(old)
	class := int(b[blockClass])
	r := a.allocBlock(class + 1)
	bigger := a.treeBlockAt(r)
	copy(bigger, b[:minBlockBytes<<class])
	bigger[blockClass] = byte(class) + 1
	a.freeBlock(old, class)
	p.blocks[level] = r
	if level == 0 {
		a.setRoot(node, r)
	} else {
		a.treeBlockAt(p.blocks[level-1]).setChild(p.indexes[level-1], r)
	}
	return bigger
}

// addChild adds child to blocks[level] of the path, after the entry that the path follows. head
// and record are the lowest key of child. At level -1, the tree gets a new root.
func (a *arena) addChild(node ref, p *path, level int, head uint64, record, child ref) {
	if level < 0 {
		old := a.root(node)
		r := a.newTreeBlock(0, a.treeBlockAt(old).level()+1)
		b := a.treeBlockAt(r)
		b.insert(0, 0, 0, old)
		b.insert(1, head, record, child)
		a.setRoot(node, r)
		return
	}
	b := a.treeBlockAt(p.blocks[level])
	i := p.indexes[level] + 1
	if b.full() && b[blockClass] < maxBlockClass {
		b = a.grow(node, p, level)
	}
	if b.full() {
		other := a.newTreeBlock(maxBlockClass, b.level())
		o := a.treeBlockAt(other)
		b.moveTail(o)
		a.addChild(node, p, level-1, o.head(0), o.record(0), other)
		if n := b.entries(); i > n {
			b, i = o, i-n
		}
	}
	b.insert(i, head, record, child)
}

func (b treeBlock) setChild(i int, child ref) {
	binary.LittleEndian.PutUint64(b.entry(i)[16:], uint64(child))
}

// insert inserts entry i into an inner block, which has space.
func (b treeBlock) insert(i int, head uint64, record, child ref) {
	n := b.entries()
	b.setEntries(n + 1)
	copy(b[blockHeader+(i+1)*innerEntry:], b[blockHeader+i*innerEntry:blockHeader+n*innerEntry])
	e := b.entry(i)
	binary.LittleEndian.PutUint64(e, head)
	binary.LittleEndian.PutUint64(e[8:], uint64(record))
	b.setChild(i, child)
}

// sortLeaf sorts the entries of a leaf.
func (a *arena) sortLeaf(b treeBlock) {
	n := b.entries()
	if b.sorted() == n {
		return
	}
	var entries [maxLeafEntries]item
	for i := range n {
		entries[i] = item{b.head(i), uint64(b.record(i))}
	}
	slices.SortFunc(entries[:n], func(x, y item) int {
		if x.head != y.head {
			return cmp.Compare(x.head, y.head)
		}
		return bytes.Compare(a.key(ref(x.ref)), a.key(ref(y.ref)))
	})
	for i, e := range entries[:n] {
		binary.LittleEndian.PutUint64(b.entry(i), e.head)
		binary.LittleEndian.PutUint64(b.entry(i)[8:], e.ref)
	}
	b.setSorted(n)
}

// seek returns the leaf and the index of the first entry that is not below the target, or 0. It
// sorts the leaf.
func (a *arena) seek(root ref, t *target) (leaf ref, index int) {
	if root == 0 {
		return 0, 0
	}
	var after ref // first block after the path
	for a.treeBlockAt(root).level() > 0 {
		b := a.treeBlockAt(root)
		i := a.search(b, 1, t) - 1
		if i+1 < b.entries() {
			after = b.child(i + 1)
		}
		root = b.child(i)
	}
	b := a.treeBlockAt(root)
	a.sortLeaf(b)
	if i := a.search(b, 0, t); i < b.entries() || after == 0 {
		if i == b.entries() {
			return 0, 0
		}
		return root, i
	}
	for a.treeBlockAt(after).level() > 0 {
		after = a.treeBlockAt(after).child(0)
	}
	a.sortLeaf(a.treeBlockAt(after))
	return after, 0
}

// seekBelow returns the leaf and the index of the last entry that is below the target, or of the
// last entry of the tree if t is nil; 0 without such an entry. It sorts the leaf.
func (a *arena) seekBelow(root ref, t *target) (leaf ref, index int) {
	if root == 0 {
		return 0, 0
	}
	for a.treeBlockAt(root).level() > 0 {
		b := a.treeBlockAt(root)
		i := b.entries() - 1
		if t != nil {
			i = a.search(b, 1, t) - 1
		}
		root = b.child(i)
	}
	b := a.treeBlockAt(root)
	a.sortLeaf(b)
	i := b.entries()
	if t != nil {
		i = a.search(b, 0, t)
	}
	if i == 0 { // in the first leaf: the first entry of any other leaf is below the target
		return 0, 0
	}
	return root, i - 1
}

// freeTree frees the blocks of a tree, and calls do with every record in it.
func (a *arena) freeTree(root ref, do func(record ref)) {
	b := a.treeBlockAt(root)
	for i := range b.entries() {
		if b.level() > 0 {
			a.freeTree(b.child(i), do)
		} else {
			do(b.record(i))
		}
	}
	a.freeBlock(root, int(b[blockClass]))
}
