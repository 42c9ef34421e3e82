package job

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
)

// Graph is a job before it runs. Declare its streams, then call Run or Start,
// once.
//
// Thread safety: one goroutine.
type Graph struct {
	options Options
	nodes   []node
	sources []func(*attempt) // each makes the source's subtasks and all after it
	errs    []error
	started bool
}

// node is a source, an operator or a sink.
type node struct {
	name string
	kind nodeKind
}

type nodeKind uint8

const (
	sourceNode nodeKind = iota
	operatorNode
	sinkNode
)

// New makes an empty graph. What is wrong with the options or with what is
// added, Start returns.
func New(o Options) *Graph {
	o = o.withDefaults()
	g := &Graph{options: o}
	g.check(o.check())
	return g
}

// add adds a node; complete says that nothing it needs is nil.
func (g *Graph) add(kind nodeKind, name string, complete bool) {
	if err := snapshot.CheckName(name); err != nil {
		g.check(fmt.Errorf("%w: name of an operator: %w", ErrInvalid, err))
	}
	for _, n := range g.nodes {
		if n.name == name {
			g.check(fmt.Errorf("%w: two operators are called %q", ErrInvalid, name))
		}
	}
	if !complete {
		g.check(fmt.Errorf("%w: %q lacks a function, source or codec", ErrInvalid, name))
	}
	if kind == operatorNode && g.options.Open == nil {
		g.check(fmt.Errorf("%w: %q needs Options.Open", ErrInvalid, name))
	}
	g.nodes = append(g.nodes, node{name, kind})
}

func (g *Graph) check(err error) {
	if err != nil {
		g.errs = append(g.errs, err)
	}
}

// parallelism is the number of a node's subtasks.
func (g *Graph) parallelism(n node) int {
	if n.kind == sinkNode {
		return 1
	}
	return g.options.Parallelism
}

// subtasks are the operators as the coordinator knows them.
func (g *Graph) subtasks() []checkpoint.Subtasks {
	all := make([]checkpoint.Subtasks, len(g.nodes))
	for i, n := range g.nodes {
		all[i] = checkpoint.Subtasks{Operator: n.name, Parallelism: g.parallelism(n)}
	}
	return all
}

// Start checks the graph, takes over the job's checkpoints and runs it. The end
// of the context cancels the job.
func (g *Graph) Start(ctx context.Context) (*Running, error) {
	if g.started {
		return nil, ErrStarted
	}
	g.started = true
	if len(g.sources) == 0 {
		g.check(fmt.Errorf("%w: no source", ErrInvalid))
	}
	if err := errors.Join(g.errs...); err != nil {
		return nil, err
	}
	r := &Running{graph: g, done: make(chan struct{})}
	if g.options.Checkpoints.Storage != nil {
		var err error
		if r.coordinator, err = checkpoint.NewCoordinator(ctx, g.options.Checkpoints); err != nil {
			return nil, fmt.Errorf("job %q: %w", g.options.Name, err)
		}
	}
	go r.run(ctx)
	return r, nil
}

// Run is Start and Wait.
func (g *Graph) Run(ctx context.Context) (Report, error) {
	r, err := g.Start(ctx)
	if err != nil {
		return Report{}, err
	}
	return r.Wait()
}
