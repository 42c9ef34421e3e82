package suite

import "maps"

func goMaps() store {
	return store{value: goValues, list: goLists, maps: goMapsOfMaps}
}

func goValues() valueOps {
	m := make(map[int64]int64)
	return valueOps{
		get: func(key int64) int64 { return m[key] },
		set: func(key, v int64) { m[key] = v },
	}
}

func goLists() listOps {
	m := make(map[int64][]int64)
	return listOps{
		get:    func(key int64) []int64 { return m[key] },
		add:    func(key, v int64) { m[key] = append(m[key], v) },
		addAll: func(key int64, v []int64) { m[key] = append(m[key], v...) },
		set:    func(key int64, v []int64) { m[key] = v },
	}
}

func goMapsOfMaps() mapOps {
	m := make(map[int64]map[int64]float64)
	inner := func(key int64) map[int64]float64 {
		in, ok := m[key]
		if !ok {
			in = make(map[int64]float64)
			m[key] = in
		}
		return in
	}
	return mapOps{
		get:      func(key, uk int64) float64 { return m[key][uk] },
		contains: func(key, uk int64) bool { _, ok := m[key][uk]; return ok },
		put:      func(key, uk int64, v float64) { inner(key)[uk] = v },
		putAll:   func(key int64, all map[int64]float64) { maps.Copy(inner(key), all) },
		remove: func(key, uk int64) {
			in := m[key]
			if delete(in, uk); len(in) == 0 {
				delete(m, key)
			}
		},
		isEmpty: func(key int64) bool { return len(m[key]) == 0 },
		each: func(key int64, visit func(int64, float64)) {
			for uk, v := range m[key] {
				visit(uk, v)
			}
		},
		keys: func(key int64) (sum int64) {
			for uk := range m[key] {
				sum += uk
			}
			return sum
		},
		values: func(key int64) (sum float64) {
			for _, v := range m[key] {
				sum += v
			}
			return sum
		},
	}
}
