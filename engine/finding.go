package engine

// The levels of a Finding.
const (
	Good    = "ok"
	Warning = "warning"
	Wrong   = "error"
)

// Finding is one thing that somebody who looks after a store wants to know.
type Finding struct {
	Level string `json:"level"`           // ok, warning or error
	What  string `json:"what"`            // "eviction", "clock", "free space" …
	Where string `json:"where,omitempty"` // the server, where there are several
	Found string `json:"found"`           // how it is
	Says  string `json:"says,omitempty"`  // what that means and what to do; empty where all is well
}

// Inspection is how a store is.
type Inspection struct {
	Findings []Finding `json:"findings"`
	Level    string    `json:"durability"` // single+always, single, replicated+proved, replicated or memory; empty: it could not be told
	Loses    string    `json:"loses"`      // what may be lost, and when
}
