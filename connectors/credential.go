package connectors

import (
	"context"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// credential gives tokens and says in our words why there is none. It follows
// changes of the secret and the certificate: what proves the app is read before
// each login, which is when no token in memory lasts.
type credential struct {
	auth  Auth
	host  string
	cloud string
	fresh func(evidence) (azcore.TokenCredential, error) // one that remembers nothing

	mu        sync.Mutex
	inner     azcore.TokenCredential
	shown     evidence // inner is made of it
	stale     string   // why what stands there now could not be taken
	forgotten time.Time
}

// forgetAgain is how soon tokens may be forgotten again, so that a service
// that takes none does not make us storm the login.
const forgetAgain = time.Minute

// forget drops the tokens in memory, which a service did not take, and reports
// whether it did: not again so soon.
func (c *credential) forget() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.forgotten.IsZero() && time.Since(c.forgotten) < forgetAgain {
		return false
	}
	inner, err := c.fresh(c.shown)
	if err != nil {
		return false
	}
	c.inner, c.forgotten = inner, time.Now()
	return true
}

// current answers the credential of the library that is made of what proves the
// app now. What cannot be read or used, as a file that is being written, leaves
// the one from before.
func (c *credential) current(ctx context.Context) azcore.TokenCredential {
	now, err := c.auth.now(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && now != c.shown {
		var inner azcore.TokenCredential
		if inner, err = c.fresh(now); err == nil {
			c.inner, c.shown = inner, now
		}
	}
	if c.stale = ""; err != nil {
		c.stale = line(err.Error(), maxMessage)
	}
	return c.inner
}

// kept answers why the credential from before is in use, or "".
func (c *credential) kept() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stale
}
