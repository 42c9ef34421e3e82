// Package weir puts together what the rooms of Weir offer: a Preset is a way to
// open backends and a place for checkpoints. Where state lives and where
// checkpoints go are two choices; any pair works, and whoever wants another pair
// fills in a Preset of its own. The packages below do the work: state declares
// typed states on a backend, snapshot takes and restores snapshots of one,
// checkpoint makes one moment of a whole job out of them, window and job are built
// on top.
package weir
