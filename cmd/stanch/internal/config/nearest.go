package config

// nearest answers the one of names that a typing error could have made of
// word, or "".
func nearest(word string, names []string) string {
	best, at := "", len(word)/3+2
	for _, name := range names {
		if d := distance(word, name); d < at {
			best, at = name, d
		}
	}
	return best
}

// distance is the number of letters to insert, drop, replace or swap.
func distance(a, b string) int {
	prev2, prev := []int(nil), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev = prev, row
	}
	return prev[len(b)]
}
