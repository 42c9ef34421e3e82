package checkpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// modelNative is a backend with native snapshots. Each file holds the writes between two
// snapshots; when there are more than three files, they are joined into one. It has the
// properties of an LSM tree that matter here: files that outlive snapshots and subtasks,
// deletions that hide entries of older files, and files of which only some key groups count.
type modelNative struct {
	*heapstate.Backend
	rng     *rand.Rand
	written map[string]int64 // since the last snapshot; 0 is a deletion
	files   []modelFile      // oldest first
	loaded  map[string]int64 // the entries that RestoreNative has read
}

// modelFile is a file and the key groups that count in it.
type modelFile struct {
	id      snapshot.Identity
	content map[string]int64 // never changes
	groups  backend.GroupRange
}

const modelFormat = "model"

func newModelNative(o backend.Options, rng *rand.Rand) (*modelNative, error) {
	b, err := heapstate.NewBTree(o)
	if err != nil {
		return nil, err
	}
	return &modelNative{Backend: b, rng: rng, written: make(map[string]int64)}, nil
}

// identity returns a new random identity.
func (m *modelNative) identity() (id snapshot.Identity) {
	for i := range id {
		id[i] = byte(m.rng.UintN(256))
	}
	return id
}

// Format implements snapshot.NativeBackend.
func (m *modelNative) Format() string { return modelFormat }

// View implements snapshot.Backend.
func (m *modelNative) View() (snapshot.View, error) {
	v, err := m.Backend.View()
	if err != nil {
		return nil, err
	}
	groups := m.Registry().Keyspace().Groups
	if len(m.written) > 0 {
		m.files = append(slices.Clone(m.files), modelFile{m.identity(), m.written, groups})
		m.written = make(map[string]int64)
	}
	if len(m.files) > 3 {
		m.files = []modelFile{{m.identity(), m.joined(m.files), groups}}
	}
	return &modelView{View: v, files: m.files}, nil
}

// joined returns the entries that remain when files are merged, without zeros.
func (m *modelNative) joined(files []modelFile) map[string]int64 {
	content := make(map[string]int64)
	for _, f := range files {
		for key, number := range f.content {
			if f.groups.Contains(modelGroup(key)) {
				content[key] = number
			}
		}
	}
	maps.DeleteFunc(content, func(_ string, number int64) bool { return number == 0 })
	return content
}

// modelView is a view that can be written as files.
type modelView struct {
	snapshot.View
	files []modelFile
}

// Format implements snapshot.NativeView.
func (v *modelView) Format() string { return modelFormat }

// WriteNative implements snapshot.NativeView.
func (v *modelView) WriteNative(ctx context.Context, t snapshot.Target, name string, _ func(int64)) ([]snapshot.FileRef, error) {
	sharing := t.(snapshot.SharingTarget)
	bounds := v.Keyspace().Groups
	refs := []snapshot.FileRef{{Name: name, Bounds: bounds}}
	var list []modelFileUse
	at := make(map[snapshot.Identity]int)
	for _, f := range v.files {
		if at[f.id] == 0 {
			ref, ok := sharing.Confirmed(f.id)
			if !ok {
				file, shared, err := sharing.Share(ctx, strconv.Itoa(len(refs)))
				if err != nil {
					return nil, err
				}
				shared.Identity = f.id
				if shared.Size, err = writeModel(file, f.content); err != nil {
					return nil, err
				}
				ref = shared
			}
			ref.Bounds = bounds
			at[f.id] = len(refs)
			refs = append(refs, ref)
		}
		list = append(list, modelFileUse{at[f.id], f.groups})
	}
	file, err := t.Create(ctx, name)
	if err == nil {
		refs[0].Size, err = writeModel(file, list)
	}
	return refs, err
}

// modelFileUse is the index of a file in the handle and the key groups that count in it.
type modelFileUse struct {
	File   int
	Groups backend.GroupRange
}

// writeModel writes and commits a file.
func writeModel(f snapshot.File, content any) (int64, error) {
	b, err := json.Marshal(content)
	if err == nil {
		_, err = f.Write(b)
	}
	if err == nil {
		err = f.Commit()
	}
	if err != nil {
		return 0, errors.Join(err, f.Abort())
	}
	return int64(len(b)), nil
}

func readModel(ctx context.Context, src snapshot.Source, ref snapshot.FileRef, content any) error {
	o, err := src.Open(ctx, ref.Name)
	if err != nil {
		return err
	}
	defer o.Close()
	b, err := io.ReadAll(io.NewSectionReader(o, 0, ref.Size+1))
	if err == nil && int64(len(b)) != ref.Size {
		err = fmt.Errorf("file %q has another size: %w", ref.Name, snapshot.ErrMismatch)
	}
	if err == nil {
		err = json.Unmarshal(b, content)
	}
	return err
}

// RestoreNative implements snapshot.NativeBackend.
func (m *modelNative) RestoreNative(ctx context.Context, src snapshot.Source, handles []snapshot.Handle, _ []backend.ID) error {
	own := m.Registry().Keyspace().Groups
	for _, h := range handles {
		var list []modelFileUse
		if err := readModel(ctx, src, h.Files[0], &list); err != nil {
			return err
		}
		for _, use := range list {
			f := modelFile{id: h.Files[use.File].Identity, groups: backend.GroupRange{
				First: max(own.First, use.Groups.First, h.Keyspace.Groups.First),
				Last:  min(own.Last, use.Groups.Last, h.Keyspace.Groups.Last),
			}}
			if f.groups.First > f.groups.Last {
				continue
			}
			if err := readModel(ctx, src, h.Files[use.File], &f.content); err != nil {
				return err
			}
			m.files = append(m.files, f)
		}
	}
	m.loaded = m.joined(m.files)
	return nil
}
