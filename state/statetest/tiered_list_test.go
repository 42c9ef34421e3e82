package statetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
)

// steppedTier is a Tiered without random events. It counts the scans of rows below.
type steppedTier struct {
	*Tiered
	unsure   bool   // MayHold is true for every key
	scans    int    // calls of ScanPrefix
	fail     error  // of the second step of each scan
	atTheEnd func() // if not nil, the end of the next scan calls it
}

func (s *steppedTier) MayHold(key []byte) bool {
	found := s.unsure
	s.rows.AscendGreaterOrEqual(row{key: key}, func(r row) bool {
		found = found || bytes.HasPrefix(r.key, key)
		return false
	})
	return found
}

func (s *steppedTier) ScanPrefix(prefix, from []byte) backend.Cursor {
	s.scans++
	return &steppedCursor{s.Tiered.ScanPrefix(prefix, from), s, 0}
}

// steppedCursor is a cursor of a steppedTier.
type steppedCursor struct {
	backend.Cursor
	*steppedTier
	steps int
}

func (c *steppedCursor) Next() (key, value []byte, ok bool, err error) {
	if c.steps++; c.steps > 1 && c.fail != nil {
		return nil, nil, false, c.fail
	}
	key, value, ok, err = c.Cursor.Next()
	if do := c.atTheEnd; do != nil && !ok {
		c.atTheEnd = nil
		do()
	}
	return key, value, ok, err
}

func (c *steppedCursor) Close() error { return c.Cursor.Close() }

// steppedList is a list of a steppedTier, with what it should hold.
type steppedList struct {
	*steppedTier
	list state.ListState[string]
	want []string
}

func newSteppedList(t testing.TB, unsure bool) *steppedList {
	tiered, err := NewTiered(state.Options{}, 0, 0)
	require.NoError(t, err)
	tiered.chunkBytes = 1 // a row for each append
	s := &steppedTier{Tiered: tiered, unsure: unsure}
	k := keyedOn(t, s, text)
	list := listOn(t, k, "list", text)
	require.NoError(t, k.SetKey("k"))
	return &steppedList{steppedTier: s, list: list}
}

// run executes a program, one step for each letter:
//
//	a to z  Add of the letter       F  freeze
//	S       Set of two elements     I  install the oldest epoch that is pending
//	C       Clear                   E  evict all rows that are installed
//	?       Get, compared with what the list should hold
func (l *steppedList) run(t testing.TB, program string) {
	for _, step := range program {
		var err error
		switch step {
		case 'F':
			l.freeze()
		case 'I':
			l.install()
			err = l.err
		case 'E':
			l.tier.Evict(0)
		case '?':
			var got []string
			if got, err = l.list.Get(); fmt.Sprint(got) != fmt.Sprint(l.want) { // called often: require is slow
				require.Equal(t, l.want, got, program)
			}
		case 'C':
			l.want, err = nil, l.list.Clear()
		case 'S':
			l.want = []string{"S", "S'"}
			err = l.list.Set([]string{"S", "S'"})
		default:
			l.want, err = append(l.want, string(step)), l.list.Add(string(step))
		}
		if err != nil {
			require.NoError(t, err, program)
		}
	}
}

// finish checks the list above and below, and that no memory stays charged.
func (l *steppedList) finish(t testing.TB, program string) {
	l.run(t, "?")
	require.NoError(t, l.settle(), program)
	l.run(t, "?E")
	if bytes := l.tier.Bytes(); bytes != 0 {
		require.Zero(t, bytes, "memory of the tier after %s", program)
	}
	l.run(t, "?")
}

// onBelow puts the list "bc" below before a program. It is not in the tier then.
const onBelow = "bcFIE"

func TestTierListJoinsItsEpochs(t *testing.T) {
	for name, program := range map[string]string{
		"a blind append, then pending, then installed":                        onBelow + "dFI?",
		"the same with reads between":                                         onBelow + "d?F?I?",
		"appends after an epoch is pending, and after it is installed":        onBelow + "dFeI?",
		"three epochs of blind appends with the first installed":              onBelow + "dFeFfI?",
		"the same, all frozen":                                                onBelow + "dFeFfFI?",
		"the same with a write after the installation":                        onBelow + "dFeFfFIg?",
		"the same with two installed":                                         onBelow + "dFeFfFIIg?",
		"several appends for each epoch":                                      onBelow + "deFfghFijkIl?",
		"a read while epochs are pending, then appends":                       onBelow + "dFeFI?fFgII?",
		"Set between pending epochs":                                          onBelow + "dFSFeI?I?I?",
		"Clear between pending epochs":                                        onBelow + "dFCFeI?I?I?",
		"Clear and Add between pending epochs":                                onBelow + "dFCeFfI?I?I?",
		"Set of a list that is not in the tier":                               onBelow + "SFdI?",
		"eviction, then Add, then Get":                                        "bFIEcFIEd?",
		"eviction of a tail, then Add":                                        onBelow + "dFIEe?",
		"Clear of a list that is not in the tier, then Add in the next epoch": onBelow + "CFdFI?I?",
	} {
		t.Run(name, func(t *testing.T) {
			for _, unsure := range []bool{false, true} {
				l := newSteppedList(t, unsure)
				l.run(t, program)
				l.finish(t, program)
			}
		})
	}
}

// The test runs all programs of a few steps.
func TestTierListIsExactInEveryShortProgram(t *testing.T) {
	const steps = "aSCFIE?"
	length := density.Of(t, 4, 5, 6)
	var extend func(program string)
	extend = func(program string) {
		if len(program) < length {
			for _, step := range steps {
				extend(program + string(step))
			}
			return
		}
		for _, begin := range []string{"", onBelow, onBelow + "dFe"} {
			for _, unsure := range []bool{false, true} {
				l := newSteppedList(t, unsure)
				l.run(t, begin+program)
				l.finish(t, begin+program)
			}
		}
	}
	extend("")
}

// operations returns what the run of the oldest pending epoch does.
func (l *steppedList) operations(t testing.TB) (done []string) {
	require.NoError(t, l.pending[0].Entries(func(op backend.Op, _, value []byte) error {
		switch op {
		case backend.OpDeletePrefix:
			done = append(done, "delete prefix")
		case backend.OpAppend:
			text := "append"
			for len(value) > 0 {
				size, n := binary.Uvarint(value)
				text += " " + string(value[n+1:n+int(size)])
				value = value[n+int(size):]
			}
			done = append(done, text)
		default:
			done = append(done, fmt.Sprint("operation ", op))
		}
		return nil
	}))
	return done
}

func TestTierListWritesBelowOnlyWhatChanged(t *testing.T) {
	for _, c := range []struct {
		name, program string
		want          []string
	}{
		{"a new list", "abF", []string{"append a b"}},
		{"a new list that is cleared", "abCF", nil},
		{"a new list that is cleared and added to", "abCdF", []string{"append d"}},
		{"a new list that is set", "aSF", []string{"append S S'"}},
		{"a new list that was deleted before and added again", "aFICFIbSF", []string{"append S S'"}},
		{"a blind append", onBelow + "dF", []string{"append d"}},
		{"an append after a read", onBelow + "?dF", []string{"append d"}},
		{"a read after a blind append", onBelow + "d?eF", []string{"append d e"}},
		{"an append to a list of an earlier epoch", "aFIbF", []string{"append b"}},
		{"a list that is set", onBelow + "SdF", []string{"delete prefix", "append S S' d"}},
		{"a list that is cleared", onBelow + "CF", []string{"delete prefix"}},
		{"a list that is cleared and added to", onBelow + "?CdF", []string{"delete prefix", "append d"}},
		{"a list that is set after an append", onBelow + "dSF", []string{"delete prefix", "append S S'"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newSteppedList(t, false)
			l.run(t, c.program)
			require.Equal(t, c.want, l.operations(t))
			l.finish(t, c.program)
		})
	}
}

func TestTierListOpensAWalkOnlyWhereRowsMayBeBelow(t *testing.T) {
	l := newSteppedList(t, false)
	l.run(t, "?C?ab?C?FIE?")
	require.Zero(t, l.scans)
	l.run(t, "aFIEbcSdF")
	require.Zero(t, l.scans, "writes must not read the list")
	l.run(t, "IE?")
	require.Equal(t, 1, l.scans)
	l.run(t, "?e?F?I?")
	require.Equal(t, 1, l.scans, "the list is in the tier")
}

func TestTierListIsExactIfAnEpochIsInstalledDuringARead(t *testing.T) {
	for _, program := range []string{onBelow + "dF", onBelow + "dFe", onBelow + "dFeF", onBelow + "dFeFf"} {
		l := newSteppedList(t, false)
		l.run(t, program)
		l.atTheEnd = l.install
		l.run(t, "?g")
		l.finish(t, program)
	}
}

func TestTierListSurvivesAnErrorBelow(t *testing.T) {
	for _, program := range []string{onBelow, onBelow + "d", onBelow + "dFeFfFI"} {
		l := newSteppedList(t, false)
		l.run(t, program)
		l.fail = errors.New("rows cannot be read")
		_, err := l.list.Get()
		require.ErrorIs(t, err, l.fail)
		require.ErrorContains(t, err, `"list"`)
		require.ErrorIs(t, lastError(l.list.All()), l.fail)
		require.ErrorIs(t, l.list.MergeNamespaces([]byte("target"), sources("")), l.fail)
		l.run(t, "g")
		l.fail = nil
		l.run(t, "h?")
		l.finish(t, program)
	}
}

// The test compares the memory of the tier with the sizes of the elements in it, in units of the size
// of an element.
func TestTierListChargesItsElements(t *testing.T) {
	const size = 10_000
	element := strings.Repeat("x", size)
	l := newSteppedList(t, false)
	requireElements := func(n int) {
		t.Helper()
		require.EqualValues(t, n, l.tier.Bytes()/size)
	}
	require.NoError(t, l.list.AddAll([]string{element, element}))
	require.NoError(t, l.list.Add(element))
	requireElements(3)
	l.run(t, "FIE")
	requireElements(0)
	require.NoError(t, l.list.Add(element))
	l.freeze()
	require.NoError(t, l.list.Add(element))
	requireElements(2)
	l.freeze()
	l.install()
	require.NoError(t, l.list.Add(element)) // removes the element that is installed
	requireElements(2)
	_, err := l.list.Get()
	require.NoError(t, err)
	requireElements(6)
	require.NoError(t, l.settle())
	l.run(t, "E")
	_, err = l.list.Get()
	require.NoError(t, err)
	requireElements(6)
	require.NoError(t, l.list.Set([]string{element}))
	requireElements(1)
	require.NoError(t, l.list.Clear())
	requireElements(0)
}

// A spill begins by the bytes of the rows that were written, so lists must count too.
func TestTierListCountsWhatWasWritten(t *testing.T) {
	const size = 10_000
	element := strings.Repeat("x", size)
	l := newSteppedList(t, false)
	requireWritten := func(elements int) {
		t.Helper()
		require.EqualValues(t, elements, l.tier.Dirty()/size)
	}
	require.NoError(t, l.list.Add(element))
	requireWritten(1)
	require.NoError(t, l.list.AddAll([]string{element, element}))
	requireWritten(3)
	l.freeze()
	requireWritten(0)
	require.NoError(t, l.list.Add(element)) // the whole row must be installed again before it can be evicted
	requireWritten(4)
	require.NoError(t, l.list.Set([]string{element}))
	requireWritten(1)
}
