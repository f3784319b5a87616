package hosted

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Prober uses the tenant all the time, the way a client with a retry does.
type Prober struct {
	tc             *Tenant
	stop           context.CancelFunc
	done           sync.WaitGroup
	tries, retried int
	failed         []string // requests that failed, also when tried again
}

// pauses are those of a client that tries again: three times within two seconds.
var pauses = []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, 1400 * time.Millisecond}

// Probe starts to use the tenant, until MustHaveSeenNoFailure or the end of the test.
func Probe(tc *Tenant) *Prober {
	ctx, stop := context.WithCancel(tc.Context())
	p := &Prober{tc: tc, stop: stop}
	p.done.Go(func() {
		for ctx.Err() == nil {
			p.tries++
			err := p.ask(ctx)
			for i := 0; err != nil && i < len(pauses); i++ {
				p.retried++
				time.Sleep(pauses[i])
				err = p.ask(ctx)
			}
			if err != nil && ctx.Err() == nil {
				p.failed = append(p.failed, fmt.Sprintf("%s: %v", time.Now().Format(time.TimeOnly), err))
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	return p
}

// ask writes and reads.
func (p *Prober) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	patch := fmt.Appendf(nil, `{"data":{"tries":"%d"}}`, p.tries)
	maps := p.tc.API.CoreV1().ConfigMaps("default")
	if _, err := maps.Patch(ctx, "probe", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return err
	}
	_, err := maps.Get(ctx, "probe", metav1.GetOptions{})
	return err
}

// MustHaveSeenNoFailure ends the prober.
func (p *Prober) MustHaveSeenNoFailure(least int) {
	p.tc.Helper()
	p.stop()
	p.done.Wait()
	p.tc.Logf("%d requests, %d tried again, %d failed", p.tries, p.retried, len(p.failed))
	if p.tries < least {
		p.tc.Errorf("the prober asked only %d times, so it proves little", p.tries)
	}
	if len(p.failed) > 0 {
		p.tc.Errorf("%d of %d requests failed, also when retried:\n%s", len(p.failed), p.tries, strings.Join(p.failed, "\n"))
	}
}
