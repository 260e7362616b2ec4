package actions

import (
	"context"
	"time"
)

// Keeping is the state of content that a download keeps in the evidence store.
type Keeping struct {
	Kept     bool      `json:"kept"`
	SHA256   string    `json:"sha256,omitempty"`
	Size     int64     `json:"size,omitempty"`     // bytes
	Compared bool      `json:"compared,omitempty"` // with the hash that the service gives
	Until    time.Time `json:"until,omitzero"`     // when it may be deleted
}

// CheckKeeping is the Check of a download whose request is an R. It cannot tell:
// content is kept by a name that only the content has.
func CheckKeeping[R any](_ context.Context, _ Call, e Effect) (Finding, error) {
	if _, err := Kept[R](e.Request, "request"); err != nil {
		return Finding{}, err
	}
	return Finding{Answer: CannotTell, Why: "content is kept by its hash, which is known once it is downloaded"}, nil
}

// KeptContent is what the effects of a download have kept; the zero value where it
// was not done.
func KeptContent(effects []Effect) Keeping {
	var out Keeping
	for _, e := range effects {
		if k, err := Kept[Keeping](e.After, "state after"); err == nil && e.Status == Done {
			out = k
		}
	}
	return out
}
