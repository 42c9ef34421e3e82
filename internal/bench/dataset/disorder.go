package dataset

import "math/rand/v2"

// maxDelay bounds how much later than its event time a flight arrives.
const maxDelay = 3 * MinutesPerHour

// disorderSeed makes the delays the same in every run.
const disorderSeed = 2001

// disorder hands flights on in the order of their arrival: each comes some
// minutes after its event time, from 0 to maxDelay, as a seeded generator says.
// For flights that are added in the order of their times, one is then at most
// maxDelay earlier than any before it.
//
// Flights wait in a calendar of one bucket for each minute of arrival.
type disorder struct {
	deliver func(Flight) error
	random  *rand.Rand
	buckets [maxDelay + 1][]Flight
	now     Minute // all flights that arrived earlier are delivered
	waiting int
}

func newDisorder(stream uint64, deliver func(Flight) error) *disorder {
	return &disorder{deliver: deliver, random: rand.New(rand.NewPCG(disorderSeed, stream))}
}

// add takes a flight, and delivers the flights that arrive before its event time. A flight
// from before another one's arrives at that one's time at the earliest.
func (d *disorder) add(f Flight) error {
	for d.now < f.Minute {
		if d.waiting == 0 {
			d.now = f.Minute
			break
		}
		if err := d.advance(); err != nil {
			return err
		}
	}
	arrival := max(d.now, f.Minute+Minute(d.random.IntN(maxDelay+1)))
	bucket := &d.buckets[arrival%(maxDelay+1)]
	*bucket = append(*bucket, f)
	d.waiting++
	return nil
}

// flush delivers the flights that still wait.
func (d *disorder) flush() error {
	for d.waiting > 0 {
		if err := d.advance(); err != nil {
			return err
		}
	}
	return nil
}

// advance delivers the flights that arrive at this minute and moves on to the next.
func (d *disorder) advance() error {
	bucket := &d.buckets[d.now%(maxDelay+1)]
	for _, f := range *bucket {
		if err := d.deliver(f); err != nil {
			return err
		}
	}
	d.waiting -= len(*bucket)
	*bucket = (*bucket)[:0]
	d.now++
	return nil
}
