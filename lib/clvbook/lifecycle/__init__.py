"""Who is moving from active to lost: stages, transitions, cohorts, and the lists to act on."""
