// Package window groups the elements of each key by event time: tumbling and
// sliding windows, and sessions that merge. A window's contents are keyed state
// under a namespace of its own, and what is to happen to it are timers, so a
// snapshot of the backend has all there is to know and windows survive restore
// and rescaling as any state does. The room knows state only: watermarks, and
// the firing of timers, are its host's.
package window
