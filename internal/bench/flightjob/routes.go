package flightjob

import (
	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/window"
)

// sessionGapSeconds is the time without a flight after which a session ends: three hours less
// half a minute. Event times are whole minutes, so no flight falls exactly on the end of a
// session. Its session would depend on the order of arrival.
const sessionGapSeconds = 3*dataset.MinutesPerHour*dataset.SecondsPerMinute - 30

// routes is the operator that emits the sessions of each route.
type routes struct {
	task     *job.Task[dataset.Route, string]
	sessions *window.Windows[dataset.Route, int16, punctuality]
	line     []byte // scratch
}

func openRoutes(task *job.Task[dataset.Route, string]) (func(job.Event[dataset.Flight]) error, error) {
	r := &routes{task: task}
	var err error
	r.sessions, err = window.Aggregate(task, window.Options[dataset.Route, int16, punctuality]{
		Assigner: window.Session(sessionGapSeconds),
		Emit:     r.endSession,
		Late: func(_ dataset.Route, time int64, _ int16) error {
			r.line = appendLate(r.line[:0], "session", time)
			return r.emit(time)
		},
	}, punctualityOf("sessions"))
	return func(e job.Event[dataset.Flight]) error { return r.sessions.Add(e.Time, e.Value.Delay) }, err
}

func (r *routes) endSession(s window.Result[dataset.Route, punctuality]) error {
	last := s.Window.End - sessionGapSeconds
	r.line = appendSession(r.line[:0], dataset.TimeOf(s.Window.Start), dataset.TimeOf(last), s.Key, s.Value.flights)
	return r.emit(s.Window.End)
}

// emit emits r.line.
func (r *routes) emit(time int64) error {
	return r.task.Emit(job.Event[string]{Time: time, Value: string(r.line)})
}
