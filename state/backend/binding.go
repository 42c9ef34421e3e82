package backend

import (
	"fmt"

	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/internal/statebind"
	"github.com/weirstate/weir/state/codec"
)

// binding has the methods of a registry that only package state may call.
type binding struct{ *Registry }

var _ statebind.Binding[Info] = binding{}

func init() {
	statebind.Of = func(registry any) any { return binding{registry.(*Registry)} }
}

// Bind implements statebind.Binding.
func (b binding) Bind(key codec.ID, size int) error {
	r := b.Registry
	if r.closed {
		return ErrClosed
	}
	if r.key != nil && *r.key != key {
		return fmt.Errorf("the key codec of the backend is %v, not %v: %w", *r.key, key, ErrStateMismatch)
	}
	r.key, r.keySize = &key, size
	return nil
}

// Declare implements statebind.Binding.
func (b binding) Declare(info Info, create func(*Info) (any, error)) (any, error) {
	r := b.Registry
	if r.closed {
		return nil, fmt.Errorf("state %q: %w", info.Name, ErrClosed)
	}
	if err := info.Validate(); err != nil {
		return nil, err
	}
	if d, ok := r.states[info.ID()]; ok {
		switch {
		case d.info.Name != info.Name:
			return nil, fmt.Errorf("state %q has the same id as state %q, rename one of them: %w", info.Name, d.info.Name, ErrStateCollision)
		case !d.info.Equal(info):
			return nil, fmt.Errorf("state %q: declared as %v, before as %v: %w", info.Name, info, d.info, ErrStateMismatch)
		}
		return d.storage, nil
	}
	d := &declared{info: info}
	var err error
	if d.storage, err = create(&d.info); err != nil {
		return nil, fmt.Errorf("state %q: %w", info.Name, err)
	}
	r.states[info.ID()] = d
	r.order, r.list = append(r.order, &d.info), nil
	return d.storage, nil
}

// Clock implements statebind.Binding.
func (b binding) Clock() *cow.Clock { return b.clock }

// Idle implements statebind.Binding.
func (b binding) Idle(t statebind.Trimmable) { b.idle.add(t) }
