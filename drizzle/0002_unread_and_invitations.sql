ALTER TABLE `users` ADD `signed_in` integer DEFAULT false NOT NULL;--> statement-breakpoint
-- Which of them were only invited is not known any more.
UPDATE `users` SET `signed_in` = 1 WHERE sub IS NOT NULL;--> statement-breakpoint
CREATE INDEX `users_email` ON `users` (`email`) WHERE email IS NOT NULL;--> statement-breakpoint
CREATE INDEX `messages_deleted` ON `messages` (`room_pk`,`seq`) WHERE deleted_at IS NOT NULL;