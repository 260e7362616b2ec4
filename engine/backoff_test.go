package engine

import (
	"slices"
	"testing"
	"time"

	"stanch/playbooks"
)

func TestBackoff(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		retry *playbooks.Retry
		want  []time.Duration
	}{
		"exponential":   {&playbooks.Retry{Backoff: "exponential", Initial: s, Cap: 10 * s}, []time.Duration{s, 2 * s, 4 * s, 8 * s, 10 * s, 10 * s}},
		"constant":      {&playbooks.Retry{Backoff: "constant", Initial: 3 * s}, []time.Duration{3 * s, 3 * s, 3 * s}},
		"fibonacci":     {&playbooks.Retry{Backoff: "fibonacci", Initial: s, Cap: time.Hour}, []time.Duration{s, 2 * s, 3 * s, 5 * s, 8 * s, 13 * s}},
		"nothing said":  {&playbooks.Retry{}, []time.Duration{2 * s, 4 * s, 8 * s}},
		"no retry said": {nil, []time.Duration{2 * s, 4 * s, 8 * s}},
	} {
		var got []time.Duration
		for i, most := range c.want {
			exact := playbooks.Retry{}
			if c.retry != nil {
				exact = *c.retry
			}
			exact.Jitter = "none"
			got = append(got, backoff(&exact, i))
			seen := map[bool]bool{} // whether less than half
			for range 200 {
				d := backoff(c.retry, i)
				if d <= 0 || d > most {
					t.Fatalf("%s: after %d failures it waits %s, at most %s", name, i+1, d, most)
				}
				seen[d < most/2] = true
			}
			if len(seen) != 2 {
				t.Errorf("%s: the waits are not spread over all of %s", name, most)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		if d := backoff(c.retry, 1_000_000); d <= 0 {
			t.Errorf("%s: after a million failures it waits %s", name, d)
		}
	}
}
