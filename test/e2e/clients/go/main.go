// Watches the ConfigMaps of a namespace by client-go, in one request, and prints what comes: "ADDED name".
// Ends with 1 when that request ends before it is told to.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"k8s.io/apimachinery/pkg/api/meta"
	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}
	configMaps := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(os.Args[2])
	watch, err := configMaps.Watch(context.Background(), v1.ListOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for event := range watch.ResultChan() {
		object, err := meta.Accessor(event.Object)
		if err != nil {
			log.Fatalf("%s: %v", event.Type, event.Object)
		}
		fmt.Println(event.Type, object.GetName())
	}
	log.Fatal("the watch ended")
}
