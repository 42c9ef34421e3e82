package wal

const (
	defaultBufferBytes    = 64 << 10
	defaultMaxRecordBytes = 1 << 30
	minBufferBytes        = 512
)

// Options configures a Writer. The zero value has good defaults.
type Options struct {
	// BufferBytes is the size of the buffer that collects records before a write: 512 B to 1
	// MiB; values outside are replaced by the nearest limit. A Writer has two such buffers.
	// Default: 64 KiB. A log that is synced after each record needs no more than the size of a
	// record.
	BufferBytes int

	// MaxRecordBytes is the maximum size of a record, at most 2^31 - 1. Default: 1 GiB.
	MaxRecordBytes int64
}

// withDefaults replaces unset options by their defaults, and limits the others.
func (o Options) withDefaults() Options {
	if o.BufferBytes <= 0 {
		o.BufferBytes = defaultBufferBytes
	}
	o.BufferBytes = min(max(o.BufferBytes, minBufferBytes), payloadBytes)
	if o.MaxRecordBytes <= 0 {
		o.MaxRecordBytes = defaultMaxRecordBytes
	}
	o.MaxRecordBytes = min(o.MaxRecordBytes, maxRecordBytes)
	return o
}
