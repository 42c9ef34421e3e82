package statetest

import (
	"context"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
)

// operation is a call of a program. Only its error matters.
type operation struct {
	name string
	do   func(*program) error
}

// keyOperations are all operations on the current key, also with empty arguments.
var keyOperations = []operation{
	{"Value.Get", func(p *program) error { _, _, err := p.value.Get(); return err }},
	{"Value.Set", func(p *program) error { return p.value.Set("v") }},
	{"Value.Clear", func(p *program) error { return p.value.Clear() }},
	{"List.Get", func(p *program) error { _, err := p.list.Get(); return err }},
	{"List.All", func(p *program) error { return lastError(p.list.All()) }},
	{"List.Add", func(p *program) error { return p.list.Add("e") }},
	{"List.AddAll", func(p *program) error { return p.list.AddAll([]string{"e", "f"}) }},
	{"List.AddAll of nothing", func(p *program) error { return p.list.AddAll(nil) }},
	{"List.Set", func(p *program) error { return p.list.Set([]string{"e", "f"}) }},
	{"List.Set of nothing", func(p *program) error { return p.list.Set(nil) }},
	{"List.Clear", func(p *program) error { return p.list.Clear() }},
	{"List.MergeNamespaces", func(p *program) error { return p.list.MergeNamespaces(nil, sources("s")) }},
	{"List.MergeNamespaces of nothing", func(p *program) error { return p.list.MergeNamespaces(nil, nil) }},
	{"Map.Get", func(p *program) error { _, _, err := p.entries.Get("k"); return err }},
	{"Map.Contains", func(p *program) error { _, err := p.entries.Contains("k"); return err }},
	{"Map.Floor", func(p *program) error { _, _, err := p.entries.Floor("k"); return err }},
	{"Map.From", func(p *program) error { return lastError(p.entries.From("k")) }},
	{"Map.Put", func(p *program) error { return p.entries.Put("k", "v") }},
	{"Map.PutAll", func(p *program) error { return p.entries.PutAll(map[string]string{"k": "v"}) }},
	{"Map.PutAll of nothing", func(p *program) error { return p.entries.PutAll(nil) }},
	{"Map.Remove", func(p *program) error { return p.entries.Remove("k") }},
	{"Map.Len", func(p *program) error { _, err := p.entries.Len(); return err }},
	{"Map.IsEmpty", func(p *program) error { _, err := p.entries.IsEmpty(); return err }},
	{"Map.All", func(p *program) error { return lastError(p.entries.All()) }},
	{"Map.Keys", func(p *program) error { return lastError(p.entries.Keys()) }},
	{"Map.Values", func(p *program) error { return lastError(p.entries.Values()) }},
	{"Map.Clear", func(p *program) error { return p.entries.Clear() }},
	{"Reducing.Get", func(p *program) error { _, _, err := p.reduced.Get(); return err }},
	{"Reducing.Add", func(p *program) error { return p.reduced.Add("v") }},
	{"Reducing.Clear", func(p *program) error { return p.reduced.Clear() }},
	{"Reducing.MergeNamespaces", func(p *program) error { return p.reduced.MergeNamespaces(nil, sources("s")) }},
	{"Aggregating.Get", func(p *program) error { _, _, err := p.aggregated.Get(); return err }},
	{"Aggregating.Add", func(p *program) error { return p.aggregated.Add(1) }},
	{"Aggregating.Clear", func(p *program) error { return p.aggregated.Clear() }},
	{"Aggregating.MergeNamespaces", func(p *program) error { return p.aggregated.MergeNamespaces(nil, sources("s")) }},
	{"Timers.Register", func(p *program) error { return p.timers.Register(state.EventTime, 1, nil) }},
	{"Timers.Delete", func(p *program) error { return p.timers.Delete(state.EventTime, 1, nil) }},
}

// freeOperations are the operations that need no current key.
var freeOperations = []operation{
	{"Value.SetNamespace", func(p *program) error { return p.value.SetNamespace([]byte("n")) }},
	{"List.SetNamespace", func(p *program) error { return p.list.SetNamespace([]byte("n")) }},
	{"Map.SetNamespace", func(p *program) error { return p.entries.SetNamespace([]byte("n")) }},
	{"Reducing.SetNamespace", func(p *program) error { return p.reduced.SetNamespace([]byte("n")) }},
	{"Aggregating.SetNamespace", func(p *program) error { return p.aggregated.SetNamespace([]byte("n")) }},
	{"Timers.Len", func(p *program) error { _, err := p.timers.Len(state.EventTime); return err }},
	{"Timers.Next", func(p *program) error { _, _, err := p.timers.Next(state.ProcessingTime); return err }},
	{"Timers.Advance", func(p *program) error {
		return p.fire(state.EventTime, 0, func(state.Timer[string]) error { return nil })
	}},
	{"Keys", func(p *program) error { return lastError(p.keyed.Keys("value", nil)) }},
	{"KeysAndNamespaces", func(p *program) error { return lastError(p.keyed.KeysAndNamespaces("map")) }},
	{"NewKeyed", func(p *program) error { _, err := state.NewKeyed(p.backend, text); return err }},
	{"ValueOf", func(p *program) error {
		_, err := state.ValueOf(p.keyed, state.ValueDescriptor[string]{Name: "value", Codec: text})
		return err
	}},
	{"ListOf", func(p *program) error {
		_, err := state.ListOf(p.keyed, state.ListDescriptor[string]{Name: "new list", Codec: text})
		return err
	}},
	{"MapOf", func(p *program) error {
		_, err := state.MapOf(p.keyed, state.MapDescriptor[string, string]{Name: "new map", Key: text, Value: text})
		return err
	}},
	{"ReducingOf", func(p *program) error { _, err := state.ReducingOf(p.keyed, reducing); return err }},
	{"AggregatingOf", func(p *program) error { _, err := state.AggregatingOf(p.keyed, aggregating); return err }},
	{"TimersOf", func(p *program) error { _, err := state.TimersOf(p.keyed, "new timers"); return err }},
	{"Scan", func(p *program) error {
		return p.backend.Scan(backend.IDOf("value"), func(_, _ []byte) error { return nil })
	}},
	{"View", func(p *program) error {
		v, err := p.backend.View()
		if err == nil {
			v.Close()
		}
		return err
	}},
	{"snapshot.Start", func(p *program) error {
		r, err := snapshot.Start(context.Background(), p.backend, newStore(), snapshot.Options{})
		if err == nil {
			_, err = r.Wait()
		}
		return err
	}},
}

// sources returns names as a list of namespaces.
func sources(names ...string) (list [][]byte) {
	for _, name := range names {
		list = append(list, []byte(name))
	}
	return list
}
