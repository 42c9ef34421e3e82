package dataset

import "math/rand/v2"

// maxDelay is the maximum time, in minutes, between the event time and the arrival of a flight.
const maxDelay = 3 * MinutesPerHour

// disorderSeed is fixed so that all runs have the same delays.
const disorderSeed = 2001

// disorder delivers flights out of order. Each flight arrives 0 to maxDelay minutes after its
// event time; a random generator with a fixed seed chooses the delay. If flights are added in
// the order of their event times, a delivered flight is at most maxDelay earlier than any
// flight delivered before it.
//
// Flights that have not arrived are in a calendar queue: a ring of maxDelay+1 buckets, one for
// each minute of arrival.
type disorder struct {
	deliver func(Flight) error
	random  *rand.Rand
	buckets [maxDelay + 1][]Flight // by minute of arrival modulo maxDelay+1
	now     Minute                 // all flights that arrive before this minute are delivered
	waiting int                    // number of flights in the buckets
}

func newDisorder(stream uint64, deliver func(Flight) error) *disorder {
	return &disorder{deliver: deliver, random: rand.New(rand.NewPCG(disorderSeed, stream))}
}

// add adds a flight, after it has delivered all flights that arrive before the event time of
// the new one. If that event time is already past, the flight arrives now at the earliest.
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

// flush delivers all remaining flights.
func (d *disorder) flush() error {
	for d.waiting > 0 {
		if err := d.advance(); err != nil {
			return err
		}
	}
	return nil
}

// advance delivers the flights that arrive in the current minute, and goes to the next minute.
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
