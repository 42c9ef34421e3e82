package s3store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"sync"
)

// readAhead reads an object ahead of a caller that reads it in order, as a restore does. A single
// request at a time would leave the connection idle while the caller works.
//
//	            offset of the caller
//	                v
//	object  .....[ window ][ window   ][ window       ]................
//	              received   received    being received    not requested
//
// A read that begins where the previous one has ended starts the windows. The first one is the rest
// of the response that Open has begun, or has 1 MiB; each later one has twice the size, up to a part.
// Two windows are requested at first, and one more for each that was read, up to PartsInFlight: two
// small reads that happen to be neighbors cost little. Reads elsewhere do not disturb the windows.
//
// Invariant: the windows are contiguous and ordered. The caller's buffer is filled from the window
// that has the offset, and the windows before that one are dropped.
//
// Thread safety: safe for concurrent use.
type readAhead struct {
	mu          sync.Mutex
	rest        *response // what Open has not read of its response, or nil
	next        int64     // the offset at which a read is in order
	windows     []*window // in progress or received, not read yet
	end         int64     // of the last window
	windowBytes int64     // size of the next window
	inFlight    int       // how many windows there may be
	running     sync.WaitGroup
}

// window is a range of the object.
type window struct {
	offset  int64
	data    []byte
	done    chan struct{} // closed when data or err is complete
	err     error
	readers int  // how many calls wait for the window or copy from it
	dropped bool // the last reader gives the buffer back
}

const firstWindowBytes = 1 << 20

// setNext records where a read ended.
func (o *object) setNext(offset int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next = offset
	o.closeRest()
}

// closeRest closes the response of Open, if it is still open. The mutex is held.
func (o *object) closeRest() {
	if o.rest != nil {
		_ = o.rest.body.Close()
		o.rest = nil
	}
}

// window returns the window with an offset, or nil if the read is not in order. The caller passes
// the result to readWindow.
func (o *object) window(offset int64) *window {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case len(o.windows) > 0 && o.windows[0].offset <= offset && offset < o.end:
		for o.windows[0].offset+int64(len(o.windows[0].data)) <= offset {
			o.drop(o.windows[0])
			o.windows = o.windows[1:]
			o.inFlight = min(o.inFlight+1, o.store.o.PartsInFlight)
		}
	case offset == o.next:
		if o.rest != nil && offset != int64(len(o.first)) {
			o.closeRest()
		}
		o.dropAll()
		o.end, o.windowBytes, o.inFlight = offset, firstWindowBytes, min(2, o.store.o.PartsInFlight)
	default:
		return nil
	}
	o.request()
	o.windows[0].readers++
	return o.windows[0]
}

// request starts windows until enough are in flight. The mutex is held.
func (o *object) request() {
	for len(o.windows) < o.inFlight && o.end < o.size {
		size, rest := min(o.windowBytes, o.size-o.end), o.rest
		if o.rest = nil; rest != nil {
			size, o.windowBytes = rest.left, rest.left
		}
		o.windowBytes = min(2*o.windowBytes, o.store.o.PartBytes)
		w := &window{offset: o.end, done: make(chan struct{})}
		if size == o.store.o.PartBytes {
			w.data = o.store.takePart()[:size]
		} else {
			w.data = make([]byte, size)
		}
		o.windows, o.end = append(o.windows, w), o.end+size
		o.running.Go(func() {
			defer close(w.done)
			w.err = o.receive(w, rest)
		})
	}
}

// receive fills a window, from the rest of the response of Open if it is not nil.
func (o *object) receive(w *window, rest *response) error {
	if rest == nil {
		return o.fill(w.data, w.offset)
	}
	n, err := rest.read(w.data)
	if errors.Is(err, ErrChecksum) { // of the whole response: the first bytes may be wrong too
		first := make([]byte, len(o.first))
		if failed := o.fill(first, 0); failed != nil || !bytes.Equal(first, o.first) {
			return cmp.Or(failed, err)
		}
	}
	return o.fill(w.data[n:], w.offset+int64(n))
}

// readWindow waits for a window that window has returned, and copies from it.
func (o *object) readWindow(w *window, p []byte, offset int64) (n int, err error) {
	select {
	case <-w.done:
		if err = w.err; err == nil {
			n = copy(p, w.data[offset-w.offset:])
		}
	case <-o.ctx.Done():
		err = context.Cause(o.ctx)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	w.readers--
	if w.dropped {
		o.drop(w)
	}
	if err != nil { // the next read begins anew
		o.dropAll()
		o.next = offset
		return 0, err
	}
	o.next = offset + int64(n)
	return n, nil
}

// drop gives the buffer of a window back once it is received and nobody reads it. The mutex is
// held.
func (o *object) drop(w *window) {
	w.dropped = true
	select {
	case <-w.done:
		if w.readers == 0 && w.err == nil {
			o.store.giveBack(w.data)
			w.data = nil
		}
	default: // a request fills the buffer; it is left to the garbage collector
	}
}

// dropAll drops all windows. The mutex is held.
func (o *object) dropAll() {
	for _, w := range o.windows {
		o.drop(w)
	}
	o.windows = nil
}

// closeWindows waits for the requests and drops all windows.
func (o *object) closeWindows() {
	o.running.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closeRest()
	o.dropAll()
}
