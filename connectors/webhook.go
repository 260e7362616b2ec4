package connectors

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// LeastWebhookKey is the shortest key that signs a webhook, in bytes.
const LeastWebhookKey = 24

// WebhookKey reads the key of a webhook: behind whsec_ it is base64, else it is
// the text itself. It is nil where the base64 cannot be read.
func WebhookKey(s Secret) []byte {
	text := string(s)
	if coded, is := strings.CutPrefix(text, "whsec_"); is {
		key, err := base64.StdEncoding.DecodeString(coded)
		if err != nil {
			return nil
		}
		return key
	}
	return []byte(text)
}

// WebhookSignature signs a webhook: HMAC-SHA256 over "id.timestamp.body". In the
// header webhook-signature its base64 stands behind "v1,".
//
// Source: github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
func WebhookSignature(key []byte, id, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return mac.Sum(nil)
}
