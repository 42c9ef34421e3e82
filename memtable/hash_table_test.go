package memtable_test

import (
	"testing"

	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/memtable/memtabletest"
)

func TestHashConforms(t *testing.T) { memtabletest.Run(t, memtable.NewHash) }
