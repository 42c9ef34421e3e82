package btreetable_test

import (
	"testing"

	"github.com/weirstate/weir/memtable/btreetable"
	"github.com/weirstate/weir/memtable/memtabletest"
)

func TestBTreeConforms(t *testing.T) { memtabletest.Run(t, btreetable.New) }
