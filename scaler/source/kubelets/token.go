package kubelets

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// validity of a token, the least that API servers give (k8s.io/kubernetes/pkg/apis/authentication/validation), and when it is asked for anew.
const (
	validity = 10 * time.Minute
	renewed  = 7 * time.Minute
)

// Token is of a ServiceAccount that may do nothing but read metrics of nodes: whoever takes the place of a kubelet gets it, and can do no more with it.
type Token struct {
	client  client.Client
	account types.NamespacedName

	mu   sync.Mutex
	text string
	at   time.Time
}

// TokenOf is a token of the account, asked for when it is needed.
func TokenOf(c client.Client, account types.NamespacedName) *Token {
	return &Token{client: c, account: account}
}

func (t *Token) get(ctx context.Context, now time.Time) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.text != "" && now.Sub(t.at) < renewed {
		return t.text, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	seconds := int64(validity / time.Second)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	account := &corev1.ServiceAccount{}
	account.Namespace, account.Name = t.account.Namespace, t.account.Name
	if err := t.client.SubResource("token").Create(ctx, account, request); err != nil {
		return "", fmt.Errorf("asking for a token of ServiceAccount %s: %w", t.account, err)
	}
	t.text, t.at = request.Status.Token, now
	return t.text, nil
}

// Account reads NAMESPACE/NAME.
func Account(text string) (types.NamespacedName, error) {
	namespace, name, both := strings.Cut(text, "/")
	if !both || len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return types.NamespacedName{}, fmt.Errorf("%q is no ServiceAccount: write NAMESPACE/NAME", text)
	}
	return types.NamespacedName{Namespace: namespace, Name: name}, nil
}

// Trust is of kubelets' serving certificates: signed by an authority in the file, or, without one, by that of the cluster. There is no way to trust
// anybody: what a kubelet says makes containers larger.
func Trust(file string, cluster *rest.Config) (*tls.Config, error) {
	authorities := cluster.CAData
	if file == "" {
		file = cluster.CAFile
	}
	if file != "" {
		read, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		authorities = read
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authorities) {
		return nil, errors.New("there is no certificate of an authority by which kubelets could be trusted")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, nil
}
