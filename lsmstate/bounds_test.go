package lsmstate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state/backend"
)

func TestBoundsOfTablesAreWithinTheKeyGroups(t *testing.T) {
	some, all := backend.GroupRange{First: 4, Last: 7}, backend.GroupRange{First: 0, Last: backend.MaxKeyGroups - 1}
	for _, c := range []struct {
		groups   backend.GroupRange
		from, to string
		end      bool // to is nil
		holds    bool
		want     backend.GroupRange
	}{
		{some, "\x00\x04a", "\x00\x05b", false, true, backend.GroupRange{First: 4, Last: 5}},
		{some, "\x00\x04", "\x00\x05", false, true, backend.GroupRange{First: 4, Last: 4}},
		{some, "\x00\x04", "\x00\x08", false, true, some},
		{some, "\x80\x05", "\x80\x08", false, true, backend.GroupRange{First: 5, Last: 7}},
		{some, "\x00\x05", "\x80\x06", false, true, some},
		{some, "\x00\x03\xff", "\x00\x08", false, false, some},
		{some, "\x00\x04", "\x00\x08a", false, false, some},
		{some, "\x80\x03", "\x80\x05", false, false, some},
		{some, "\x00\x04", "\x80\x08a", false, false, some},
		{some, "\x00\x04", "", true, false, some},
		{all, "\x80\x05", "", true, true, all},
		{all, "\x00\x00", "\x80", false, true, all},
		{all, "\x00\x00", "\xff\xff\xff", false, true, all},
	} {
		to := []byte(c.to)
		if c.end {
			to = nil
		}
		require.Equal(t, c.holds, boundsFit(c.groups, []byte(c.from), to), "%q %q", c.from, c.to)
		if c.holds {
			require.Equal(t, c.want, groupsOfBounds(c.groups, []byte(c.from), to), "%q %q", c.from, c.to)
		}
	}
}
