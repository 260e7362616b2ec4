package actions

import "sync"

// Spent is what the calls of a step turned out to use of throttling classes; see
// Cost for what is drawn before. Nil counts nothing. It is safe for concurrent use.
type Spent struct {
	mu sync.Mutex
	by map[string]int64
}

// Add counts a call as so many units of a class, when it is about to be sent.
func (s *Spent) Add(class string, units int64) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[string]int64{}
	}
	s.by[class] += units
}

// Of answers how many units of a class were used so far.
func (s *Spent) Of(class string) int64 {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[class]
}
