// Package window groups the elements of each key by event time: into tumbling and sliding
// windows, and into sessions that merge. The contents of a window are keyed state in a
// namespace of the window, and its firing is an event-time timer. So a snapshot of the
// backend contains all windows, and they survive restores at any parallelism like other
// state. The package uses only package state: its host supplies the watermark and fires the
// timers. A job.Task is a host.
package window
