"""What is shown of profiles, plans and runs: pictures, the page, text."""
