package main

import (
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/window"
)

// sessionGapSeconds is how long no flight leaves on a route when its session is
// over: three hours but for half a minute. Flights come by the minute, so none
// falls on the very end of a session, where it would depend on the order of
// arrival which session it belongs to.
const sessionGapSeconds = 3*minutesPerHour*secondsPerMinute - 30

// routes is the operator that follows the sessions of each route.
type routes struct {
	task     *job.Task[route, string]
	sessions *window.Windows[route, int16, punctuality]
	line     []byte // scratch
}

func openRoutes(task *job.Task[route, string]) (func(job.Event[flight]) error, error) {
	r := &routes{task: task}
	var err error
	r.sessions, err = window.Aggregate(task, window.Options[route, int16, punctuality]{
		Assigner: window.Session(sessionGapSeconds),
		Emit:     r.endSession,
		Late: func(_ route, time int64, _ int16) error {
			r.line = appendLate(r.line[:0], "session", time)
			return r.emit(time)
		},
	}, punctualityOf("sessions"))
	return func(e job.Event[flight]) error { return r.sessions.Add(e.Time, e.Value.delay) }, err
}

func (r *routes) endSession(s window.Result[route, punctuality]) error {
	last := s.Window.End - sessionGapSeconds
	r.line = appendSession(r.line[:0], timeOf(s.Window.Start), timeOf(last), s.Key, s.Value.flights)
	return r.emit(s.Window.End)
}

// emit puts the line out.
func (r *routes) emit(time int64) error {
	return r.task.Emit(job.Event[string]{Time: time, Value: string(r.line)})
}
