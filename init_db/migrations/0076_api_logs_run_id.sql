-- unless index api_logs.run_id
ALTER TABLE api_logs ADD KEY run_id (run_id)
