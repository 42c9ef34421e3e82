package checkpoint

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// maxParts is the maximum number of parts in a checkpoint.
const maxParts = 1 << 20

// validate returns an error if the format cannot store the checkpoint. encode and Decode apply
// the same rules.
func (c *Checkpoint) validate() error {
	if err := snapshot.CheckName(c.Job); err != nil {
		return fmt.Errorf("job: %w", err)
	}
	if c.ID < 1 || c.ID > maxNumber || c.Attempt < 1 || c.Attempt > maxNumber {
		return fmt.Errorf("checkpoint %d, attempt %d: want numbers from 1 to %d", c.ID, c.Attempt, uint64(maxNumber))
	}
	if err := c.validateTables(); err != nil {
		return err
	}
	parts, files := 0, newFileList(c.ID, c.Attempt)
	for i, operator := range c.Operators {
		if i > 0 && c.Operators[i-1].Name >= operator.Name {
			return fmt.Errorf("operator %q is out of order", operator.Name)
		}
		if err := operator.validate(); err != nil {
			return err
		}
		if parts += len(operator.Parts); parts > maxParts {
			return fmt.Errorf("%d parts, limit %d", parts, maxParts)
		}
		for _, part := range operator.Parts {
			if err := files.add(operator.Name, part); err != nil {
				return fmt.Errorf("operator %q: %w", operator.Name, err)
			}
		}
	}
	return files.checkPacks(c.Packs)
}

// validate checks the parts, and that their handles have the same maximum parallelism and
// disjoint key groups.
func (o Operator) validate() error {
	if err := snapshot.CheckName(o.Name); err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	if len(o.Parts) == 0 {
		return fmt.Errorf("operator %q has no parts", o.Name)
	}
	var spaces []backend.Keyspace
	for i, part := range o.Parts {
		if err := part.validate(); err != nil {
			return fmt.Errorf("operator %q, subtask %d: %w", o.Name, i, err)
		}
		if part.Handle != nil {
			spaces = append(spaces, part.Handle.Keyspace)
		}
	}
	slices.SortFunc(spaces, func(a, b backend.Keyspace) int { return cmp.Compare(a.Groups.First, b.Groups.First) })
	for i := 1; i < len(spaces); i++ {
		before, space := spaces[i-1], spaces[i]
		if before.MaxParallelism != space.MaxParallelism || before.Groups.Last >= space.Groups.First {
			return fmt.Errorf("operator %q: key groups %v of %d, another subtask has %v of %d", o.Name,
				space.Groups, space.MaxParallelism, before.Groups, before.MaxParallelism)
		}
	}
	return nil
}

// validate returns an error if the format cannot store the part, name table apart.
func (p Part) validate() error {
	if p.Handle == nil {
		if len(p.Inline) > 0 {
			return fmt.Errorf("%d inline files without a handle", len(p.Inline))
		}
		if len(p.Packed) > 0 {
			return fmt.Errorf("%d packed files without a handle", len(p.Packed))
		}
		return nil
	}
	if err := p.Handle.Keyspace.Validate(); err != nil {
		return err
	}
	if form := p.Handle.Format; form != "" {
		if err := snapshot.CheckFormat(form); err != nil {
			return err
		}
		if p.Handle.Rows != 0 {
			return fmt.Errorf("%d rows in form %q: want 0", p.Handle.Rows, form)
		}
	}
	if p.Handle.Rows < 0 {
		return fmt.Errorf("%d rows: want 0 or more", p.Handle.Rows)
	}
	return p.validateFiles()
}

// validateTables checks each name table once, even if many handles share it.
func (c *Checkpoint) validateTables() error {
	checked := make(map[*backend.Info]int) // length of a checked table, by the address of its first state
	for part := range c.parts() {
		if part.Handle == nil || len(part.Handle.States) == 0 {
			continue
		}
		states := part.Handle.States
		if checked[&states[0]] == len(states) {
			continue
		}
		if err := validateStates(states); err != nil {
			return err
		}
		checked[&states[0]] = len(states)
	}
	return nil
}

// validateStates returns an error unless states could come from a registry: valid, and ordered
// by ID.
func validateStates(states []backend.Info) error {
	if len(states) > maxStates {
		return fmt.Errorf("%d states, limit %d", len(states), maxStates)
	}
	for i, info := range states {
		if err := info.Validate(); err != nil {
			return err
		}
		if i > 0 && states[i-1].ID() >= info.ID() {
			return fmt.Errorf("state %q is out of order", info.Name)
		}
	}
	return nil
}

// validateFiles checks the files of the handle, the inline contents, and the places in packs as far
// as the part alone shows them: see fileList.
func (p Part) validateFiles() error {
	inline, packed, seen := 0, 0, make(map[string]bool)
	for _, f := range p.Handle.Files {
		if err := snapshot.CheckName(f.Name); err != nil {
			return fmt.Errorf("file: %w", err)
		}
		bounds, groups := f.Bounds, p.Handle.Keyspace.Groups
		_, isPack := parsePackName(f.Name)
		switch {
		case isPack:
			return fmt.Errorf("file %q: the name is reserved for a pack", f.Name)
		case f.Shared && p.Handle.Format == "":
			return fmt.Errorf("file %q of the portable format is shared", f.Name)
		case seen[f.Name]:
			return fmt.Errorf("file %q is listed twice", f.Name)
		case f.Name == metadataName:
			return fmt.Errorf("file %q: the name is reserved for the metadata", f.Name)
		case f.Size < 0:
			return fmt.Errorf("file %q: size %d is negative", f.Name, f.Size)
		case bounds.First > bounds.Last || !groups.Contains(bounds.First) || !groups.Contains(bounds.Last):
			return fmt.Errorf("file %q: key groups %v are not within %v of the handle", f.Name, bounds, groups)
		}
		seen[f.Name] = true
		if content, ok := p.Inline[f.Name]; ok {
			if inline++; f.Shared || int64(len(content)) != f.Size {
				return fmt.Errorf("inline file %q: size %d, content of %d bytes, shared %v", f.Name, f.Size, len(content), f.Shared)
			}
		}
		if place, ok := p.Packed[f.Name]; ok {
			packed++
			by, isPack := parsePackName(place.Pack)
			if _, both := p.Inline[f.Name]; both || !isPack || by.shared != f.Shared || place.Offset < 0 || place.Offset > math.MaxInt64-f.Size {
				return fmt.Errorf("packed file %q: size %d, offset %d in pack %q, inline %v", f.Name, f.Size, place.Offset, place.Pack, both)
			}
		}
	}
	if inline != len(p.Inline) {
		return fmt.Errorf("%d inline contents, the handle lists %d of them", len(p.Inline), inline)
	}
	if packed != len(p.Packed) {
		return fmt.Errorf("%d places in packs, the handle lists %d of them", len(p.Packed), packed)
	}
	return nil
}
