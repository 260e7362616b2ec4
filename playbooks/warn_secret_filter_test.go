package playbooks

import (
	"testing"

	"pgregory.net/rapid"
)

// What is asked before the patterns never hides what they would find.
func TestNoSecretIsFilteredAway(t *testing.T) {
	secret := rapid.OneOf(
		rapid.StringMatching(secretForm.String()),
		rapid.StringMatching(`(?i)(Bearer |sig=|Pwd=|AccountKey=|SharedAccessKey=|Password=)[A-Za-z0-9]{20}`),
		rapid.StringMatching(`https?://[a-z]{2,9}:[a-z]{2,9}@`),
	)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[a-z ]{0,6}`).Draw(t, "before") + secret.Draw(t, "secret") + rapid.StringMatching(`[a-z ]{0,6}`).Draw(t, "behind")
		if secretForm.MatchString(s) && !mayHoldSecret(s) {
			t.Fatalf("filtered away: %q", s)
		}
	})
	for _, s := range []string{"no secret in here", "Remove access to ${{ len(vars.files) }} files?", `incident.severity == "high"`} {
		if mayHoldSecret(s) {
			t.Errorf("%q goes through the patterns for nothing", s)
		}
	}
}
