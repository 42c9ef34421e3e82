package main

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/weirstate/weir/job"
)

// fields are the names of the fields of a line that count.
type fields struct{ Key, Time, Value string }

// line is an element of the stream.
type line struct {
	Key   string
	Value float64
}

// parse reads a line. Event times are in milliseconds since 1970.
func (f fields) parse(text []byte) (e job.Event[line], err error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return e, err
	}
	if err := decode(object, f.Key, &e.Value.Key); err != nil {
		return e, err
	}
	if f.Value != "" {
		if err := decode(object, f.Value, &e.Value.Value); err != nil {
			return e, err
		}
	}
	e.Time, err = f.time(object)
	return e, err
}

// decode decodes a field of an object.
func decode(object map[string]json.RawMessage, name string, to any) error {
	text, ok := object[name]
	if !ok {
		return fmt.Errorf("field %q is missing", name)
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("field %q: %w", name, err)
	}
	return nil
}

// time returns the time of an object, in milliseconds.
func (f fields) time(object map[string]json.RawMessage) (millis int64, err error) {
	var at time.Time
	if err := decode(object, f.Time, &at); err == nil {
		return at.UnixMilli(), nil
	}
	var seconds float64
	if err := decode(object, f.Time, &seconds); err != nil || math.Abs(seconds) > 1e12 {
		return 0, fmt.Errorf("field %q is neither an RFC 3339 time nor a number of seconds", f.Time)
	}
	return int64(seconds * 1000), nil
}
