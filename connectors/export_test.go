package connectors

// Waiting answers how many requests wait for their turn.
func Waiting(c *Client) int {
	c.batches.mu.Lock()
	defer c.batches.mu.Unlock()
	return len(c.batches.waiting)
}
