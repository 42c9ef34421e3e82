package job

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
)

// Graph describes a job: its sources, operators and sinks. Add them with From, Process and
// AddSink, then call Run or Start once.
//
// Thread safety: one goroutine.
type Graph struct {
	options Options
	nodes   []node
	sources []func(*attempt) // each adds the subtasks of one source and of all nodes after it
	errs    []error          // returned by Start
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

// New returns an empty graph. Start returns the errors of options and of nodes.
func New(o Options) *Graph {
	o = o.withDefaults()
	g := &Graph{options: o}
	g.addError(o.check())
	return g
}

// addNode adds a node. Complete is false if a required argument of the node is nil.
func (g *Graph) addNode(kind nodeKind, name string, complete bool) {
	if err := snapshot.CheckName(name); err != nil {
		g.addError(fmt.Errorf("%w: name of a source, operator or sink: %w", ErrInvalid, err))
	}
	for _, n := range g.nodes {
		if n.name == name {
			g.addError(fmt.Errorf("%w: two nodes have the name %q", ErrInvalid, name))
		}
	}
	if !complete {
		g.addError(fmt.Errorf("%w: %q has a nil function, source or codec", ErrInvalid, name))
	}
	if kind == operatorNode && g.options.Open == nil {
		g.addError(fmt.Errorf("%w: operator %q needs Options.Open, which is nil", ErrInvalid, name))
	}
	g.nodes = append(g.nodes, node{name, kind})
}

func (g *Graph) addError(err error) {
	if err != nil {
		g.errs = append(g.errs, err)
	}
}

// parallelism returns the number of subtasks of n.
func (g *Graph) parallelism(n node) int {
	if n.kind == sinkNode {
		return 1
	}
	return g.options.Parallelism
}

// subtasks returns the nodes in the form that the coordinator needs.
func (g *Graph) subtasks() []checkpoint.Subtasks {
	all := make([]checkpoint.Subtasks, len(g.nodes))
	for i, n := range g.nodes {
		all[i] = checkpoint.Subtasks{Operator: n.name, Parallelism: g.parallelism(n)}
	}
	return all
}

// Start checks the graph, locks the job's checkpoints, and runs the job on goroutines of
// its own. The job is canceled when ctx ends.
func (g *Graph) Start(ctx context.Context) (*Running, error) {
	if g.started {
		return nil, ErrStarted
	}
	g.started = true
	if len(g.sources) == 0 {
		g.addError(fmt.Errorf("%w: the graph has no source", ErrInvalid))
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

// Run starts the job and waits for its end. It returns the result of Running.Wait.
func (g *Graph) Run(ctx context.Context) (Report, error) {
	r, err := g.Start(ctx)
	if err != nil {
		return Report{}, err
	}
	return r.Wait()
}
