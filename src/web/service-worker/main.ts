import { answerFromFiles, isFile, isPage, openPage, removeOldFiles, storeFiles } from "./files.ts";
import { openNotification, showNotification } from "./notifications.ts";
import type { NotificationPayload, NotifyMessage } from "./payload.ts";

// The service worker of the page: it keeps the page's own files for the time without a network, and shows notifications.
// It never touches requests to the API.

declare const self: ServiceWorkerGlobalScope;

self.addEventListener("install", (event) => event.waitUntil(storeFiles()));

// A newer version is activated once no tab is left that uses the files of this one.
self.addEventListener("activate", (event) =>
  event.waitUntil(removeOldFiles().then(() => self.clients.claim())),
);

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.mode === "navigate" && isPage(request.url)) event.respondWith(openPage(event));
  else if (isFile(request.url)) event.respondWith(answerFromFiles(request));
});

self.addEventListener("push", (event) => {
  if (event.data) event.waitUntil(showNotification(event.data.json() as NotificationPayload));
});

self.addEventListener("message", (event) => {
  const message = event.data as NotifyMessage;
  if (message.type === "notify") event.waitUntil(showNotification(message.payload));
});

self.addEventListener("notificationclick", (event) => event.waitUntil(openNotification(event.notification)));
