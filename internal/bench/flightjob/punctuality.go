package flightjob

import (
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// punctuality holds the number of flights of a group, the sum of their delays and the worst
// delay, in minutes. The zero value is an empty group.
type punctuality struct {
	flights, sum int64
	worst        int16
}

var punctualityCodec = codec.Struct("punctuality", 1,
	codec.Field("flights", func(p *punctuality) *int64 { return &p.flights }, codec.Int[int64]()),
	codec.Field("sum", func(p *punctuality) *int64 { return &p.sum }, codec.Int[int64]()),
	codec.Field("worst", func(p *punctuality) *int16 { return &p.worst }, codec.Int[int16]()),
)

// add returns p with one more flight.
func (p punctuality) add(delay int16) punctuality {
	return p.join(punctuality{flights: 1, sum: int64(delay), worst: delay})
}

func (p punctuality) join(q punctuality) punctuality {
	switch {
	case p.flights == 0:
		return q
	case q.flights == 0:
		return p
	}
	return punctuality{p.flights + q.flights, p.sum + q.sum, max(p.worst, q.worst)}
}

// punctualityOf returns the descriptor of an aggregating state of punctuality.
func punctualityOf(name string) state.AggregatingDescriptor[int16, punctuality, punctuality] {
	return state.AggregatingDescriptor[int16, punctuality, punctuality]{
		Name:   name,
		Codec:  punctualityCodec,
		Create: func() punctuality { return punctuality{} },
		Add:    func(p punctuality, delay int16) (punctuality, error) { return p.add(delay), nil },
		Merge:  func(p, q punctuality) (punctuality, error) { return p.join(q), nil },
		Result: func(p punctuality) (punctuality, error) { return p, nil },
	}
}

// meanDelay describes the state of the mean delay. It accumulates integers: the sum of floating
// point numbers would depend on the order of the flights.
var meanDelay = state.AggregatingDescriptor[int16, punctuality, float64]{
	Name:   "mean delay",
	Codec:  punctualityCodec,
	Create: func() punctuality { return punctuality{} },
	Add:    func(p punctuality, delay int16) (punctuality, error) { return p.add(delay), nil },
	Merge:  func(p, q punctuality) (punctuality, error) { return p.join(q), nil },
	Result: func(p punctuality) (float64, error) { return float64(p.sum) / float64(p.flights), nil },
}
