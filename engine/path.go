package engine

import (
	"strconv"
	"strings"
)

// cutIndex takes the trailing [i] off a path.
func cutIndex(path string) (string, int, bool) {
	open := strings.LastIndexByte(path, '[')
	if open < 0 || !strings.HasSuffix(path, "]") {
		return path, 0, false
	}
	i, err := strconv.Atoi(path[open+1 : len(path)-1])
	return path[:open], i, err == nil && i >= 0
}

func childPath(step string, i int) string { return step + "[" + strconv.Itoa(i) + "]" }

// parentStrand answers the strand that opened this one.
func parentStrand(strand string) (string, bool) {
	path, _, ok := cutIndex(strand)
	if !ok {
		return "", false
	}
	for {
		cut := strings.LastIndexByte(path, '/')
		if cut < 0 {
			return "", true
		}
		path = path[:cut]
		if strings.HasSuffix(path, "]") {
			return path, true
		}
	}
}

// turnPath is the path of one turn of a repeat, counted from 1.
func turnPath(step string, turn int) string { return step + "#" + strconv.Itoa(turn) }

// staticPath takes the indices and the turns out of a path.
func staticPath(path string) string {
	if strings.IndexByte(path, '[') < 0 && strings.IndexByte(path, '#') < 0 {
		return path
	}
	b := make([]byte, 0, len(path))
	skip := false
	for i := range len(path) {
		switch c := path[i]; {
		case c == '[', c == '#':
			skip = true
		case c == '/':
			skip = false
			b = append(b, c)
		case !skip:
			b = append(b, c)
		}
	}
	return string(b)
}

// turnless takes the turns out of a path in which there are no indices.
func turnless(path string) string {
	if strings.IndexByte(path, '#') < 0 {
		return path
	}
	return staticPath(path)
}

// comparePaths orders step paths: numbers as numbers.
func comparePaths(a, b string) int {
	as, bs := strings.FieldsFunc(a, cutPath), strings.FieldsFunc(b, cutPath)
	for i := range min(len(as), len(bs)) {
		if as[i] == bs[i] {
			continue
		}
		x, errX := strconv.Atoi(as[i])
		y, errY := strconv.Atoi(bs[i])
		if errX == nil && errY == nil {
			return x - y
		}
		return strings.Compare(as[i], bs[i])
	}
	return len(as) - len(bs)
}

func cutPath(r rune) bool { return r == '/' || r == '[' || r == ']' || r == '#' }

// comparePlaces orders step paths as the playbook has them; items by number.
func (o *outline) comparePlaces(a, b string) int {
	for i, j := 0, 0; ; {
		x, y := partEnd(a, i), partEnd(b, j)
		if a[i:x] != b[j:y] {
			p, q := o.placeOf(a[:x]), o.placeOf(b[:y])
			if p != q {
				return p - q
			}
			return comparePaths(a[i:x], b[j:y])
		}
		if x == len(a) || y == len(b) {
			return len(a) - len(b)
		}
		i, j = x+1, y+1
	}
}

// partEnd answers where the part of a path that begins at i ends.
func partEnd(path string, i int) int {
	if n := strings.IndexByte(path[i:], '/'); n >= 0 {
		return i + n
	}
	return len(path)
}
