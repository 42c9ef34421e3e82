package main

// gomap is a Go map. Its times are a lower bound for a store. It has no order and no snapshots.
type gomap struct{ values map[string][]byte }

func openGomap(string, layout) (engine, error) {
	return &gomap{make(map[string][]byte)}, nil
}

func (m *gomap) Put(key, value []byte) error {
	if old, ok := m.values[string(key)]; ok && len(old) == len(value) {
		copy(old, value)
		return nil
	}
	m.values[string(key)] = append([]byte(nil), value...)
	return nil
}

func (m *gomap) Delete(key []byte) error {
	delete(m.values, string(key))
	return nil
}

func (m *gomap) Get(key []byte) ([]byte, bool, error) {
	value, ok := m.values[string(key)]
	return value, ok, nil
}

func (m *gomap) Append(key, value []byte) error {
	m.values[string(key)] = append(m.values[string(key)], value...)
	return nil
}

func (m *gomap) Prefix([]byte, func(key, value []byte) error) error { return errUnsupported }
func (m *gomap) Scan(func(key, value []byte) error) error           { return errUnsupported }
func (m *gomap) Snapshot() error                                    { return errUnsupported }
func (m *gomap) Settle() error                                      { return nil }
func (m *gomap) DiskBytes() int64                                   { return 0 }
func (m *gomap) Close() error                                       { return nil }
