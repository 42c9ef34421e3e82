package memtable

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// The keys with suffixes of a prefix are in order in a B+tree of blocks, the root
// of which is in the node of the prefix. A leaf takes new entries at its end and
// is sorted when it is split or walked: most are only written. Blocks begin with a
// line and double, so that a prefix with few keys is small.
//
//	block: entries (2 B) | sorted (2 B) | class (1 B) | level (1 B) | – | entries
//	leaf entry:  head of the suffix (8 B) | record (8 B)
//	inner entry: head of the suffix (8 B) | record (8 B) | child (8 B)
//
// The head is the first bytes of a suffix as a big-endian number, zeros after its
// end; where heads are equal, keys decide. The entry of a child has the lowest key
// that the child ever had; of the first child it does not matter. No block is
// empty.
const (
	blockHeader    = 8
	blockSorted    = 2
	blockClass     = 4
	blockLevel     = 5
	leafEntry      = 16
	innerEntry     = 24
	maxBlockClass  = 4 // 1 KiB: 63 leaf entries, 42 inner ones
	maxLeafEntries = (minBlockBytes<<maxBlockClass - blockHeader) / leafEntry
	// maxLevels is more than a tree has: inner blocks have 21 children or more.
	maxLevels = 16
)

// block is the bytes of a block.
type block []byte

func (m *memory) blockAt(r ref) block { return m.at(r) }

func (b block) entries() int     { return int(binary.LittleEndian.Uint16(b)) }
func (b block) sorted() int      { return int(binary.LittleEndian.Uint16(b[blockSorted:])) }
func (b block) level() int       { return int(b[blockLevel]) }
func (b block) setEntries(n int) { binary.LittleEndian.PutUint16(b, uint16(n)) }
func (b block) setSorted(n int)  { binary.LittleEndian.PutUint16(b[blockSorted:], uint16(n)) }

func (b block) entryBytes() int {
	if b.level() > 0 {
		return innerEntry
	}
	return leafEntry
}

func (b block) full() bool {
	return blockHeader+(b.entries()+1)*b.entryBytes() > minBlockBytes<<b[blockClass]
}

// entry returns the bytes of an entry.
func (b block) entry(i int) []byte {
	n := b.entryBytes()
	return b[blockHeader+i*n:][:n]
}

func (b block) head(i int) uint64 { return binary.LittleEndian.Uint64(b.entry(i)) }
func (b block) record(i int) ref  { return ref(binary.LittleEndian.Uint64(b.entry(i)[8:])) }
func (b block) child(i int) ref   { return ref(binary.LittleEndian.Uint64(b.entry(i)[16:])) }

// target is a key that is looked for in the tree of its prefix.
type target struct {
	key    []byte
	head   uint64
	above  bool // the key itself does not count
	prefix int  // bytes of it
}

func newTarget(key []byte, prefix int, above bool) target {
	return target{key, head(key[prefix:]), above, prefix}
}

// head returns the first eight bytes as a number in the order of the bytes.
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

// below says whether an entry is below what is looked for.
func (m *memory) below(b block, i int, at *target) bool {
	if h := b.head(i); h != at.head {
		return h < at.head
	}
	c := bytes.Compare(m.key(b.record(i))[at.prefix:], at.key[at.prefix:])
	return c < 0 || c == 0 && at.above
}

// search returns the first entry of a sorted block, from one on, that is not
// below what is looked for.
func (m *memory) search(b block, from int, at *target) int {
	to := b.entries()
	for from < to {
		if i := int(uint(from+to) / 2); m.below(b, i, at) {
			from = i + 1
		} else {
			to = i
		}
	}
	return from
}

// path leads from the root to a leaf.
type path struct {
	blocks [maxLevels]ref
	places [maxLevels]int // of the next block in the one before
	last   int
}

// descend finds the leaf where a key is or belongs.
func (m *memory) descend(root ref, at *target, p *path) {
	p.last, p.blocks[0] = 0, root
	for b := m.blockAt(root); b.level() > 0; {
		i := m.search(b, 1, at) - 1
		root = b.child(i)
		b = m.blockAt(root)
		p.places[p.last] = i
		p.last++
		p.blocks[p.last] = root
	}
}

// add enters a record, which is not there, under its key.
func (m *memory) add(node, record ref, prefix int) {
	m.changed(node)
	at := newTarget(m.key(record), prefix, true) // a child has its own first entry
	if m.root(node) == 0 {
		m.setRoot(node, m.newBlock(0, 0))
	}
	var p path
	m.descend(m.root(node), &at, &p)
	b := m.blockAt(p.blocks[p.last])
	if b.full() {
		b = m.makeRoom(node, &p, &at, record)
	}
	n := b.entries()
	b.setEntries(n + 1)
	e := b.entry(n)
	binary.LittleEndian.PutUint64(e, at.head)
	binary.LittleEndian.PutUint64(e[8:], uint64(record))
	if b.sorted() == n && (n == 0 || m.below(b, n-1, &at)) {
		b.setSorted(n + 1)
	}
}

func (m *memory) newBlock(class, level int) ref {
	r := m.block(class)
	b := m.blockAt(r)
	clear(b[:blockHeader])
	b[blockClass], b[blockLevel] = byte(class), byte(level)
	return r
}

// makeRoom returns a leaf with room for a record that is about to be entered,
// instead of the one at the end of the path.
func (m *memory) makeRoom(node ref, p *path, at *target, record ref) block {
	b := m.blockAt(p.blocks[p.last])
	if b[blockClass] < maxBlockClass {
		return m.grow(node, p, p.last)
	}
	m.sortLeaf(b)
	other := m.newBlock(maxBlockClass, 0)
	o := m.blockAt(other)
	if m.below(b, b.entries()-1, at) { // keys that ascend leave full leaves
		m.addChild(node, p, p.last-1, at.head, record, other)
		return o
	}
	b.moveTail(o)
	m.addChild(node, p, p.last-1, o.head(0), o.record(0), other)
	if m.below(o, 0, at) {
		return o
	}
	return b
}

// moveTail moves half of the entries to an empty block.
func (b block) moveTail(to block) {
	n := b.entries()
	half := n / 2
	size := b.entryBytes()
	copy(to[blockHeader:], b[blockHeader+half*size:blockHeader+n*size])
	to.setEntries(n - half)
	to.setSorted(n - half)
	b.setEntries(half)
	b.setSorted(half)
}

// grow replaces a block of the path by a larger one.
func (m *memory) grow(node ref, p *path, level int) block {
	old := p.blocks[level]
	b := m.blockAt(old)
	class := int(b[blockClass])
	r := m.block(class + 1)
	bigger := m.blockAt(r)
	copy(bigger, b[:minBlockBytes<<class])
	bigger[blockClass] = byte(class) + 1
	m.freeBlock(old, class)
	p.blocks[level] = r
	if level == 0 {
		m.setRoot(node, r)
	} else {
		m.blockAt(p.blocks[level-1]).setChild(p.places[level-1], r)
	}
	return bigger
}

// addChild enters a block beside the one that the path takes from a level.
func (m *memory) addChild(node ref, p *path, level int, head uint64, record, child ref) {
	if level < 0 {
		old := m.root(node)
		r := m.newBlock(0, m.blockAt(old).level()+1)
		b := m.blockAt(r)
		b.insert(0, 0, 0, old)
		b.insert(1, head, record, child)
		m.setRoot(node, r)
		return
	}
	b := m.blockAt(p.blocks[level])
	at := p.places[level] + 1
	if b.full() && b[blockClass] < maxBlockClass {
		b = m.grow(node, p, level)
	}
	if b.full() {
		other := m.newBlock(maxBlockClass, b.level())
		o := m.blockAt(other)
		b.moveTail(o)
		m.addChild(node, p, level-1, o.head(0), o.record(0), other)
		if n := b.entries(); at > n {
			b, at = o, at-n
		}
	}
	b.insert(at, head, record, child)
}

func (b block) setChild(i int, child ref) {
	binary.LittleEndian.PutUint64(b.entry(i)[16:], uint64(child))
}

// insert adds an entry to an inner block, which has room.
func (b block) insert(i int, head uint64, record, child ref) {
	n := b.entries()
	b.setEntries(n + 1)
	copy(b[blockHeader+(i+1)*innerEntry:], b[blockHeader+i*innerEntry:blockHeader+n*innerEntry])
	e := b.entry(i)
	binary.LittleEndian.PutUint64(e, head)
	binary.LittleEndian.PutUint64(e[8:], uint64(record))
	b.setChild(i, child)
}

// sortLeaf puts the entries of a leaf in order.
func (m *memory) sortLeaf(b block) {
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
		return bytes.Compare(m.key(ref(x.ref)), m.key(ref(y.ref)))
	})
	for i, e := range entries[:n] {
		binary.LittleEndian.PutUint64(b.entry(i), e.head)
		binary.LittleEndian.PutUint64(b.entry(i)[8:], e.ref)
	}
	b.setSorted(n)
}

// seek returns the leaf and the place in it of the first entry that is not below
// what is looked for, 0 if there is none. The leaf is sorted.
func (m *memory) seek(root ref, at *target) (leaf ref, place int) {
	if root == 0 {
		return 0, 0
	}
	var after ref // the block beside the path
	for m.blockAt(root).level() > 0 {
		b := m.blockAt(root)
		i := m.search(b, 1, at) - 1
		if i+1 < b.entries() {
			after = b.child(i + 1)
		}
		root = b.child(i)
	}
	b := m.blockAt(root)
	m.sortLeaf(b)
	if i := m.search(b, 0, at); i < b.entries() || after == 0 {
		if i == b.entries() {
			return 0, 0
		}
		return root, i
	}
	for m.blockAt(after).level() > 0 {
		after = m.blockAt(after).child(0)
	}
	m.sortLeaf(m.blockAt(after))
	return after, 0
}

// seekBelow returns the leaf and the place in it of the last entry that is below what
// is looked for, or of the last one at all if that is nil; 0 if there is none. The leaf
// is sorted.
func (m *memory) seekBelow(root ref, at *target) (leaf ref, place int) {
	if root == 0 {
		return 0, 0
	}
	var before ref // the block beside the path
	for m.blockAt(root).level() > 0 {
		b := m.blockAt(root)
		i := b.entries() - 1
		if at != nil {
			i = m.search(b, 1, at) - 1
		}
		if i > 0 {
			before = b.child(i - 1)
		}
		root = b.child(i)
	}
	b := m.blockAt(root)
	m.sortLeaf(b)
	i := b.entries()
	if at != nil {
		i = m.search(b, 0, at)
	}
	if i > 0 || before == 0 {
		if i == 0 {
			return 0, 0
		}
		return root, i - 1
	}
	return m.seekBelow(before, nil)
}

// takeApart frees the blocks of a tree and calls do with every record.
func (m *memory) takeApart(root ref, do func(record ref)) {
	b := m.blockAt(root)
	for i := range b.entries() {
		if b.level() > 0 {
			m.takeApart(b.child(i), do)
		} else {
			do(b.record(i))
		}
	}
	m.freeBlock(root, int(b[blockClass]))
}
