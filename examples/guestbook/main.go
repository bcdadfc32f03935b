// Guestbook, a small service with Redis: PUT /entries/{id} {"text": …}, GET /entries/{id}, GET /entries?limit=20.
// GET /pictures/{name} draws a visitor's picture, which takes CPU and nothing else.
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	deadline = 10 * time.Second // of a request: longer than Redis' restart, so that a request waits for it
	largest  = 64 << 10         // bytes of a request
	side     = 256              // of a picture, in pixels
	cells    = 5                // of a picture's side
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

type entry struct {
	ID   string `json:"id"`
	Text string `json:"text"`
	Run  string `json:"run,omitempty"`
}

type problem struct {
	Detail string `json:"detail"`
}

type guestbook struct {
	redis   *redis
	reached atomic.Bool // whether Redis has answered once
}

func main() {
	g := &guestbook{redis: newRedis(os.Getenv("REDIS_ADDRESS"), os.Getenv("REDIS_PASSWORD"))}
	routes := http.NewServeMux()
	routes.Handle("PUT /entries/{id}", answer(g.put))
	routes.Handle("GET /entries/{id}", answer(g.get))
	routes.Handle("GET /entries", answer(g.newest))
	routes.HandleFunc("GET /pictures/{name}", picture)
	routes.Handle("GET /healthz", answer(func(*http.Request) (int, any) { return http.StatusOK, struct{}{} }))
	routes.Handle("GET /readyz", answer(g.ready))
	address := cmp.Or(os.Getenv("ADDRESS"), ":8000")
	server := &http.Server{Addr: address, Handler: routes, ReadTimeout: deadline, IdleTimeout: time.Minute}

	told, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ended := make(chan error)
	go func() {
		<-told.Done()
		ended <- server.Shutdown(context.Background()) // when the last request is answered
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-ended
}

// answer serves what a function returns, a status and a value, as JSON.
type answer func(r *http.Request) (int, any)

func (a answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), deadline)
	defer cancel()
	status, value := a(r.WithContext(ctx))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}

// put stores the entry. The same request again changes nothing: it may be sent twice.
func (g *guestbook) put(r *http.Request) (int, any) {
	id := r.PathValue("id")
	var sent struct {
		Text *string
		Run  string
	}
	err := json.NewDecoder(io.LimitReader(r.Body, largest)).Decode(&sent)
	if err != nil || sent.Text == nil || !uuid.MatchString(id) {
		return http.StatusUnprocessableEntity, problem{"An entry has a UUID in lower case and a text."}
	}
	stored := entry{id, *sent.Text, sent.Run}
	if err := g.save(r.Context(), stored); err != nil {
		return unavailable(err)
	}
	return http.StatusOK, stored
}

// save returns nil when Redis has answered that both are stored, or an error if that is unknown.
func (g *guestbook) save(ctx context.Context, stored entry) error {
	content, err := json.Marshal(stored)
	if err != nil {
		return err
	}
	done, err := g.redis.do(ctx,
		[]string{"MULTI"},
		[]string{"SET", "entry:" + stored.ID, string(content)},
		[]string{"ZADD", "ids", "0", stored.ID}, // all have the same score: sorted by id
		[]string{"EXEC"},
	)
	if err != nil {
		return err
	}
	if answers, is := done.([]any); !is || len(answers) != 2 || answers[0] != "OK" {
		return errors.New("it did not store the entry")
	}
	return nil
}

func (g *guestbook) get(r *http.Request) (int, any) {
	found, err := g.redis.do(r.Context(), []string{"GET", "entry:" + r.PathValue("id")})
	if err != nil {
		return unavailable(err)
	}
	if found == nil {
		return http.StatusNotFound, problem{"There is no such entry."}
	}
	return http.StatusOK, json.RawMessage(found.(string))
}

// newest returns entries, the greatest id first.
func (g *guestbook) newest(r *http.Request) (int, any) {
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil {
		limit = 20
	}
	last := strconv.Itoa(min(max(limit, 1), 200) - 1)
	ids, err := g.redis.do(r.Context(), []string{"ZRANGE", "ids", "0", last, "REV"})
	if err != nil {
		return unavailable(err)
	}
	entries := []json.RawMessage{}
	if len(ids.([]any)) == 0 {
		return http.StatusOK, entries
	}
	keys := []string{"MGET"}
	for _, id := range ids.([]any) {
		keys = append(keys, "entry:"+id.(string))
	}
	found, err := g.redis.do(r.Context(), keys)
	if err != nil {
		return unavailable(err)
	}
	for _, each := range found.([]any) {
		if content, is := each.(string); is {
			entries = append(entries, json.RawMessage(content))
		}
	}
	return http.StatusOK, entries
}

// ready says whether Redis has answered once. Later it does not follow Redis: a pod that leaves the Service while Redis
// restarts would refuse the requests that wait for it.
func (g *guestbook) ready(r *http.Request) (int, any) {
	if !g.reached.Load() {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		if _, err := g.redis.do(ctx, []string{"PING"}); err != nil {
			return unavailable(err)
		}
		g.reached.Store(true)
	}
	return http.StatusOK, struct{}{}
}

// unavailable is the answer where Redis did not answer OK. Nothing is known of a write then.
func unavailable(err error) (int, any) {
	return http.StatusServiceUnavailable, problem{"Redis: " + err.Error()}
}

// picture draws a pattern from the name, anew for each request.
func picture(w http.ResponseWriter, r *http.Request) {
	sum := sha256.Sum256([]byte(r.PathValue("name")))
	drawn := image.NewRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			row, column := y*cells/side, x*cells/side
			cell := sum[row*cells+min(column, cells-1-column)] // the right half mirrors the left one
			drawn.Set(x, y, color.RGBA{sum[29] ^ cell, sum[30], sum[31] ^ cell, 255})
		}
	}
	w.Header().Set("Content-Type", "image/png")
	png.Encode(w, drawn)
}
