package main

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// prober asks all the time.
type prober struct {
	stop   context.CancelFunc
	done   chan struct{}
	failed int
	asked  int
	down   time.Duration // for how long no request succeeded
}

// patience is how long a client waits for an answer to a small request.
const patience = 5 * time.Second

func probe(ctx context.Context, config *rest.Config) *prober {
	ctx, stop := context.WithCancel(ctx)
	p := &prober{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return
		}
		p.run(ctx, client)
	}()
	return p
}

func (p *prober) run(ctx context.Context, client *kubernetes.Clientset) {
	good := time.Now()
	for ctx.Err() == nil {
		bounded, cancel := context.WithTimeout(ctx, patience)
		_, err := client.CoreV1().Namespaces().Get(bounded, "kube-system", metav1.GetOptions{})
		cancel()
		if ctx.Err() != nil {
			return
		}
		p.asked++
		if now := time.Now(); err != nil {
			p.failed++
			p.down += now.Sub(good)
		}
		good = time.Now()
		time.Sleep(100 * time.Millisecond)
	}
}

// end stops asking and tells how many requests failed, of how many.
func (p *prober) end() (failed, asked int) {
	p.stop()
	<-p.done
	return p.failed, p.asked
}
